"""The Store Instances Response Module: its attributes, its lengths, its forms."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from registry.models import Instance
from registry.wire.dicom_xml import dicom_json_of_xml
from repository.dicomweb.store_response import build_store_response, shorten, status_of, write_warning
from repository.store_result import DATA_SET_DOES_NOT_MATCH_SOP_CLASS, PartResult
from tests.repository.conftest import outcome
from tests.support import dicom

STORED = PartResult(1, "1.2", "1.3", "1.4", "1.5")
FAILED = PartResult(
    2, "1.2", "1.6", "1.4", "1.5", failure_reason=0xA900, comment="it is wrong in many ways " * 9
)
OTHER = PartResult(3, failure_reason=0xC000, comment="no DICOM", file_name="notes.txt")
BASE = "https://pacs.example.org/dicom-web"


def test_every_status_of_the_table():
    odd = PartResult(1, "1.2", "1.3", warning_reason=0xB007)
    assert status_of([STORED, STORED]) == 200
    assert status_of([STORED, FAILED]) == status_of([odd]) == 202
    assert status_of([FAILED, OTHER]) == 409


def test_the_module_has_its_type_1_and_2_attributes():
    module = build_store_response([STORED, FAILED, OTHER], BASE)
    assert list(module) == sorted(module)
    assert module["00081190"] == {"vr": "UR", "Value": [f"{BASE}/studies/1.4"]}
    [referenced] = module["00081199"]["Value"]
    [failed] = module["00081198"]["Value"]
    [other] = module["0008119A"]["Value"]
    assert referenced["00081150"]["Value"] == ["1.2"]
    assert referenced["00081190"]["Value"] == [f"{BASE}/studies/1.4/series/1.5/instances/1.3"]
    assert "00081196" not in referenced
    assert (failed["00081155"]["Value"], failed["00081197"]["Value"]) == (["1.6"], [0xA900])
    assert other["00081197"]["Value"] == [0xC000]
    assert "00081155" not in other


def test_the_retrieve_url_is_empty_without_one_study():
    assert build_store_response([FAILED], BASE)["00081190"] == {"vr": "UR"}
    two = [STORED, PartResult(2, "1.2", "1.7", "1.8", "1.9")]
    assert build_store_response(two, BASE)["00081190"] == {"vr": "UR"}


def test_comments_fit_their_attribute_and_the_whole_sentence_stands_beside():
    module = build_store_response([FAILED, OTHER], BASE)
    [failed], [other] = module["00081198"]["Value"], module["0008119A"]["Value"]
    assert failed["00000902"]["Value"][0].startswith("part 2: it is wrong in many ways")
    assert len(failed["00000902"]["Value"][0]) <= 64
    assert failed["00090010"]["Value"] == ["SAMSYN STORE RESPONSE"]
    assert failed["00091001"]["Value"] == [FAILED.comment]
    assert other["00091002"]["Value"] == ["notes.txt"]
    assert list(failed) == sorted(failed)


@given(st.text())
def test_any_text_fits_the_comment_and_the_header(text):
    assert len(shorten(text)) <= 64
    assert "\\" not in shorten(text)
    header = write_warning([PartResult(1, failure_reason=1, comment=text)])
    assert re.fullmatch(r'299 samsyn "[ !#-\[\]-~]*"', header)


def test_many_failures_make_a_short_header():
    header = write_warning([PartResult(n, failure_reason=1, comment="x") for n in range(1, 100)])
    assert header.count("299 samsyn") == 6
    assert "94 more are in the body" in header


XML_TYPES = [
    ("application/dicom+xml", "application/dicom+xml"),
    ('multipart/related; type="application/dicom+xml"', "multipart/related"),
    ("application/dicom+json", "application/dicom+json"),
    ("application/json", "application/json"),
    ("*/*", "application/dicom+json"),
    ("application/dicom+xml;q=0.5, application/dicom+json;q=0.9", "application/dicom+json"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("accept", "content_type"), XML_TYPES)
def test_the_answer_comes_as_it_was_asked_for(vendor, accept, content_type):
    response = vendor.store(dicom.make_ct(), b"no DICOM", Accept=accept)
    assert response.status_code == 202
    assert response["Content-Type"].startswith(content_type)
    content = response.content
    if content_type.startswith("multipart"):
        content = content.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
    module = dicom_json_of_xml(content) if b"<Native" in content else json.loads(content)
    assert len(module["00081199"]["Value"]) == len(module["0008119A"]["Value"]) == 1
    assert ("<" in content.decode()) == bool(
        content.startswith(b"<?xml") and ET.fromstring(content) is not None
    )


@pytest.mark.django_db
def test_an_answer_that_nobody_can_read_is_refused_before_anything_is_stored(vendor):
    response = vendor.store(dicom.make_ct(), Accept="image/jpeg")
    assert response.status_code == 406
    assert Instance.objects.count() == 0


@pytest.mark.django_db
def test_a_data_set_that_contradicts_its_class_is_stored_with_a_warning(vendor):
    response = vendor.store(dicom.make_ct(), dicom.make_ct(change=_short_pixels()))
    assert response.status_code == 202
    fine, odd = outcome(response)["referenced"]
    assert "00081196" not in fine
    assert odd["00081196"]["Value"] == [DATA_SET_DOES_NOT_MATCH_SOP_CLASS]
    assert "pixel data has" in odd["00000902"]["Value"][0]


def _short_pixels() -> Dataset:
    change = Dataset()
    change.Rows = 64
    return change


@pytest.mark.django_db
def test_what_is_odd_and_harmless_is_said_and_no_warning(vendor):
    response = vendor.store(dicom.make_ct(patient_id=""))
    assert response.status_code == 200
    [item] = outcome(response)["referenced"]
    assert "00081196" not in item
    assert "Patient ID" in item["00000902"]["Value"][0]


@pytest.mark.django_db
def test_equal_uids_of_two_levels_are_taken_with_a_warning(vendor):
    uid = dicom.make_uid()
    response = vendor.store(dicom.make_ct(study_instance_uid=uid, series_instance_uid=uid))
    assert response.status_code == 202
    [item] = outcome(response)["referenced"]
    assert "are the same" in item["00000902"]["Value"][0]


@pytest.mark.django_db
def test_a_refusal_is_in_the_warning_header_in_whole(vendor):
    response = vendor.store(b"this is no DICOM file")
    assert response["Warning"].startswith('299 samsyn "part 1: ')
