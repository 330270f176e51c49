"""Rows as DICOM JSON, read back by pydicom."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag

from registry.attributes import ATTRIBUTES, find_attribute
from registry.fragments import (
    BASE_URL_PLACEHOLDER,
    default_fields,
    fill_base_url,
    render_element,
    render_instance,
    render_name,
    render_series,
    render_study,
)
from registry.models import Instance, Series, Study

REQUESTED = [{"00400009": {"vr": "SH", "Value": ["SPS1"]}}]


def make_rows() -> tuple[Study, Series, Instance]:
    study = Study(
        study_instance_uid="1.2.3",
        study_date="20250314",
        patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう",
        patient_id="1",
        modalities_in_study=["CT", "SR"],
        number_of_study_related_instances=7,
        study_description="Thorax",
    )
    series = Series(
        study=study, series_instance_uid="1.2.3.4", modality="CT", request_attributes_sequence=REQUESTED
    )
    instance = Instance(
        series=series, sop_instance_uid="1.2.3.4.5", sop_class_uid="1.2.840.10008.5.1.4.1.1.2", rows=512
    )
    return study, series, instance


def parse(fragment: bytes) -> Dataset:
    return Dataset.from_json(fill_base_url(fragment, "https://pacs.example/dicom-web").decode())


def test_study_read_by_pydicom() -> None:
    dataset = parse(render_study(make_rows()[0]))
    assert dataset.StudyInstanceUID == "1.2.3"
    assert dataset.PatientName.ideographic == "山田^太郎"
    assert list(dataset.ModalitiesInStudy) == ["CT", "SR"]
    assert dataset.NumberOfStudyRelatedInstances == 7
    assert dataset.AccessionNumber == ""
    assert dataset.InstanceAvailability == "ONLINE"
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    assert dataset.RetrieveURL == "https://pacs.example/dicom-web/studies/1.2.3"


def test_series_and_instance_name_their_parents() -> None:
    _, series, instance = make_rows()
    dataset = parse(render_series(series, "1.2.3"))
    assert (dataset.StudyInstanceUID, dataset.SeriesInstanceUID) == ("1.2.3", "1.2.3.4")
    assert dataset.RequestAttributesSequence[0].ScheduledProcedureStepID == "SPS1"
    dataset = parse(render_instance(instance, "1.2.3.4", "1.2.3"))
    assert dataset.RetrieveURL.endswith("/studies/1.2.3/series/1.2.3.4/instances/1.2.3.4.5")
    assert (dataset.Rows, dataset.NumberOfFrames) == (512, None)


@pytest.mark.parametrize(
    ("level", "tags"),
    [
        (
            "study",
            "00080020 00080030 00080050 00080056 00080061 00080090 00080201 00081190 00100010 00100020 00100030 00100040 0020000D 00200010 00201206 00201208",
        ),
        ("series", "00080060 0008103E 00081190 0020000E 00200011 00201209 00400244 00400245 00400275"),
        ("instance", "00080016 00080018 00080056 00081190 00200013 00280008 00280010 00280011 00280100"),
    ],
)
def test_every_attribute_of_the_tables_is_present(level: str, tags: str) -> None:
    study, series, instance = make_rows()
    fragments = {
        "study": render_study(study),
        "series": render_series(series, "1.2.3"),
        "instance": render_instance(instance, "1.2.3.4", "1.2.3"),
    }
    answer = json.loads(fill_base_url(fragments[level], ""))
    assert set(tags.split()) <= set(answer)
    assert list(answer) == sorted(answer)


def test_fields_of_the_parents_are_merged() -> None:
    _, series, instance = make_rows()
    dataset = parse(render_series(series, "1.2.3", default_fields("study", "series")))
    assert (dataset.PatientID, dataset.Modality) == ("1", "CT")
    assert dataset.RetrieveURL.endswith("/series/1.2.3.4")
    dataset = parse(
        render_instance(instance, "1.2.3.4", "1.2.3", default_fields("study", "series", "instance"))
    )
    assert (dataset.PatientID, dataset.Modality, dataset.Rows) == ("1", "CT", 512)


def test_empty_values_keep_only_their_vr() -> None:
    sequence = find_attribute("series", "RequestAttributesSequence")
    name = find_attribute("study", "PatientName")
    modalities = find_attribute("study", "ModalitiesInStudy")
    assert sequence is not None
    assert name is not None
    assert modalities is not None
    assert render_element(sequence, []) == {"vr": "SQ"}
    assert render_element(name, "^^=") == {"vr": "PN"}
    assert render_element(modalities, [""]) == {"vr": "CS"}


def test_zero_is_a_value() -> None:
    number = find_attribute("study", "NumberOfStudyRelatedSeries")
    assert number
    assert render_element(number, 0) == {"vr": "IS", "Value": [0]}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_value_can_hold_the_placeholder(text: str) -> None:
    fragment = render_study(Study(study_instance_uid="1.2", study_description=text, patient_id=text))
    assert fragment.count(BASE_URL_PLACEHOLDER) == 1
    answer = json.loads(fill_base_url(fragment, "http://x"))
    assert answer["00100020"].get("Value", [""]) == [text]


def test_name_groups() -> None:
    assert render_name("A^B") == {"Alphabetic": "A^B"}
    assert render_name("=山田") == {"Ideographic": "山田"}
    assert render_name("") == {}


def test_the_table_agrees_with_the_dictionary() -> None:
    for attribute in ATTRIBUTES:
        assert keyword_for_tag(int(attribute.tag, 16)) == attribute.keyword
        assert dictionary_VR(int(attribute.tag, 16)) == attribute.vr
