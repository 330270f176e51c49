"""Structured reports are read as text, enclosed documents are fetched as files."""

from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage, EncapsulatedPDFStorage

from access.authentication import issue_token
from access.models import ApiClient
from frontend.structured_report import MAX_LINES, ReportLine, read_structured_report
from registry.models import Study
from tests.support.dicom import (
    EXPLICIT,
    StudyFacts,
    content_type,
    make_boundary,
    make_uid,
    multipart_body,
    write_file,
)

PDF = b"%PDF-1.4 made up " * 200


def item(kind: str, name: str, **values: Any) -> dict[str, Any]:
    return {"0040A040": {"vr": "CS", "Value": [kind]}, "0040A043": code(name), **values}


def code(meaning: str) -> dict[str, Any]:
    return {"vr": "SQ", "Value": [{"00080104": {"vr": "LO", "Value": [meaning]}}]}


def value(vr: str, content: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": [content]}


def content(*items: dict[str, Any]) -> dict[str, Any]:
    return {"0040A730": {"vr": "SQ", "Value": list(items)}}


def test_report_is_read_in_its_own_order():
    measured = value(
        "SQ", {"0040A30A": value("DS", 12.5), "004008EA": value("SQ", {"00080100": value("SH", "mm")})}
    )
    report = item("CONTAINER", "Report") | content(
        item("CONTAINER", "Findings")
        | content(
            item("TEXT", "Finding", **{"0040A160": value("UT", "Nodulus.")})
            | content(item("NUM", "Length", **{"0040A300": measured})),
            item("CODE", "Side", **{"0040A168": code("Right")}),
        ),
        item("PNAME", "Author", **{"0040A123": value("PN", {"Alphabetic": "Berg^Anna"})}),
        item("DATE", "Day", **{"0040A121": value("DA", "20261102")}),
        item("NUM", "Width"),
    )
    report["0040A491"] = value("CS", "COMPLETE")
    with translation.override("en"):
        found = read_structured_report(report)
    assert (found.title, found.state) == ("Report", "complete")
    assert found.lines == (
        ReportLine(0, "Findings", "", is_heading=True),
        ReportLine(1, "Finding", "Nodulus."),
        ReportLine(2, "Length", "12.5 mm"),
        ReportLine(1, "Side", "Right"),
        ReportLine(0, "Author", "Anna Berg"),
        ReportLine(0, "Day", "2026-11-02"),
        ReportLine(0, "Width", "not measured"),
    )


def test_report_nested_deeper_than_python_likes_is_read():
    report: dict[str, Any] = item("CONTAINER", "x")
    for _ in range(5000):
        report = item("CONTAINER", "x") | content(report)
    assert 0 < len(read_structured_report(report).lines) <= MAX_LINES


def test_endless_report_is_cut_and_says_so():
    found = read_structured_report(content(*(item("CONTAINER", "x") for _ in range(MAX_LINES + 1))))
    assert (len(found.lines), found.is_cut) == (MAX_LINES, True)


@pytest.mark.parametrize(
    "attributes", [{}, content({}), {"0040A730": {"vr": "SQ"}}, content(item("TEXT", "") | {"0040A160": {}})]
)
def test_report_that_lacks_things_breaks_nothing(attributes):
    assert read_structured_report(attributes).lines == ()


def test_stored_report_is_text_on_its_page(portal, documents):
    page = portal.get(documents["SR"]).content.decode()
    assert "Ingen &lt;b&gt;blödning&lt;/b&gt;." in page
    assert "<h3>Imaging Report</h3>" in page


def test_enclosed_document_is_fetched_as_a_file(portal, documents):
    page = portal.get(documents["DOC"]).content.decode()
    link = page.split('class="button" href="')[1].split('"')[0]
    answer = portal.get(link)
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert b"".join(answer.streaming_content)[: len(PDF)] == PDF
    assert portal.get(documents["SR"] + "documents/1.2.3/").status_code == 404


@pytest.fixture
def documents(world) -> dict[str, str]:
    """Store a report and a PDF through STOW-RS; the addresses of their series by modality."""
    client = ApiClient.objects.create(name="ris", department=world.region.lund)
    study = StudyFacts()
    boundary = make_boundary()
    answer = Client().post(
        "/dicom-web/studies",
        data=multipart_body((make_report_file(study), make_pdf_file(study)), boundary),
        content_type=content_type(boundary),
        headers={"authorization": f"Bearer {issue_token(client).text}"},
    )
    assert answer.status_code == 200, answer.content
    series = Study.objects.get(study_instance_uid=study.study_instance_uid).series.all()
    path = f"/studies/{study.study_instance_uid}/series"
    return {row.modality: f"{path}/{row.series_instance_uid}/" for row in series}


def make_report_file(study: StudyFacts) -> bytes:
    dataset = make_document(study, BasicTextSRStorage, "SR")
    dataset.ValueType = "CONTAINER"
    dataset.ConceptNameCodeSequence = [make_code("Imaging Report")]
    text = Dataset()
    text.RelationshipType, text.ValueType = "CONTAINS", "TEXT"
    text.ConceptNameCodeSequence = [make_code("Finding")]
    text.TextValue = "Ingen <b>blödning</b>."
    dataset.ContentSequence = [text]
    return write_file(dataset, EXPLICIT)


def make_pdf_file(study: StudyFacts) -> bytes:
    dataset = make_document(study, EncapsulatedPDFStorage, "DOC")
    dataset.DocumentTitle = "Utlåtande"
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocument = PDF
    return write_file(dataset, EXPLICIT)


def make_document(study: StudyFacts, sop_class_uid: str, modality: str) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = make_uid()
    dataset.StudyInstanceUID = study.study_instance_uid
    dataset.SeriesInstanceUID = make_uid()
    dataset.Modality = modality
    dataset.PatientName = study.patient_name
    dataset.PatientID = study.patient_id
    dataset.PatientBirthDate = study.patient_birth_date
    dataset.PatientSex = study.patient_sex
    dataset.InstanceNumber = 1
    return dataset


def make_code(meaning: str) -> Dataset:
    dataset = Dataset()
    dataset.CodeValue, dataset.CodingSchemeDesignator, dataset.CodeMeaning = "1", "99SAMSYN", meaning
    return dataset
