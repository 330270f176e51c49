"""Reports, CDA and PDF for people: what they say is shown, what they would do is not."""

import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from repository import clinical_document
from repository.clinical_document import UnreadableDocument
from tests.repository.test_rendered import body_of, parts_of, path_of
from tests.support import dicom

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert('å')</script>"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "files" / "single" / "SR"


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


HARMLESS_TAGS = {
    *("html", "head", "meta", "title", "body", "main", "section", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("dl", "dt", "dd", "a", "br", "p", "ul", "ol", "li", "sub", "sup", "span", "small", "em"),
    *("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"),
}
HARMLESS_ATTRIBUTES = {"lang", "charset", "href", "colspan", "rowspan"}


def assert_harmless(page: Page) -> None:
    assert set(page.tags) <= HARMLESS_TAGS
    assert {name for name, _ in page.attributes} <= HARMLESS_ATTRIBUTES
    assert all(value.startswith("http://testserver/") for name, value in page.attributes if name == "href")


def make_code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def make_item(kind: str, name: str, **attributes: object) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", kind
    item.ConceptNameCodeSequence = Sequence([make_code("1", "99TEST", name)])
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def strip_pixels(file: bytes) -> Dataset:
    dataset = dcmread(io.BytesIO(file))
    for element in list(dataset):
        if element.tag.group in (0x0028, 0x7FE0):
            del dataset[element.tag]
    return dataset


def make_report(referenced: Dataset | None = None) -> bytes:
    """A report with a heading, text with markup in it, a measurement, a code and a reference."""
    dataset = strip_pixels(dicom.make_ct(patient_name="Bobby<Tables>^<b>"))
    dataset.SOPClassUID, dataset.Modality = "1.2.840.10008.5.1.4.1.1.88.33", "SR"
    dataset.ValueType = "CONTAINER"
    dataset.ConceptNameCodeSequence = Sequence([make_code("18748-4", "LN", "Utlåtande & mer")])
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    measured = Dataset()
    measured.NumericValue = "12.5"
    measured.MeasurementUnitsCodeSequence = Sequence([make_code("mm", "UCUM", "millimeter")])
    findings = make_item("CONTAINER", "Fynd")
    findings.ContentSequence = Sequence(
        [
            make_item("TEXT", "Beskrivning", TextValue=f"Rad ett\r\nRad två {SCRIPT}"),
            make_item("NUM", "Diameter", MeasuredValueSequence=Sequence([measured])),
            make_item("CODE", "Organ", ConceptCodeSequence=Sequence([make_code("10200004", "SCT", "Lever")])),
        ]
    )
    items = [findings]
    if referenced is not None:
        reference, series, study = Dataset(), Dataset(), Dataset()
        reference.ReferencedSOPClassUID = referenced.SOPClassUID
        reference.ReferencedSOPInstanceUID = referenced.SOPInstanceUID
        items.append(make_item("IMAGE", "Bild", ReferencedSOPSequence=Sequence([reference])))
        series.SeriesInstanceUID, series.ReferencedSOPSequence = (
            referenced.SeriesInstanceUID,
            Sequence([reference]),
        )
        study.StudyInstanceUID, study.ReferencedSeriesSequence = (
            referenced.StudyInstanceUID,
            Sequence([series]),
        )
        dataset.CurrentRequestedProcedureEvidenceSequence = Sequence([study])
    dataset.ContentSequence = Sequence(items)
    return dicom.write_file(dataset, dicom.EXPLICIT)


def make_document(sop_class_uid: str, mime_type: str, data: bytes) -> bytes:
    dataset = strip_pixels(dicom.make_ct())
    dataset.SOPClassUID, dataset.Modality = sop_class_uid, "DOC"
    dataset.MIMETypeOfEncapsulatedDocument = mime_type
    dataset.EncapsulatedDocumentLength = len(data)
    dataset.EncapsulatedDocument = data + b"\0" * (len(data) % 2)
    return dicom.write_file(dataset, dicom.EXPLICIT)


def test_a_report_is_a_page_with_its_tree(vendor):
    image = dicom.make_ct()
    vendor.store(image)
    file = make_report(dcmread(io.BytesIO(image)))
    vendor.store(file)
    for accept in ("*/*", "text/html", "text/*"):
        response = vendor.get(f"{path_of(file)}/rendered", accept)
        assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")
    page = Page(response.content.decode())
    assert_harmless(page)
    for words in ("Utlåtande & mer", "Fynd", "Rad ett", SCRIPT, "12.5 mm", "Lever", "Bobby<Tables>, <b>"):
        assert words in page.text
    [link] = [value for name, value in page.attributes if name == "href"]
    assert vendor.get(link.removeprefix("http://testserver/dicom-web")).status_code == 200
    assert "script" not in response["Content-Security-Policy"]
    assert "sandbox" in response["Content-Security-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"


def test_a_report_is_lines_or_xml_on_demand(vendor):
    file = make_report()
    vendor.store(file)
    path = f"{path_of(file)}/rendered"
    plain = vendor.get(path, "text/plain")
    assert plain["Content-Type"] == "text/plain; charset=utf-8"
    lines = plain.content.decode().splitlines()
    assert lines[0] == "Utlåtande & mer"
    assert "  Diameter: 12.5 mm" in lines
    assert f"    Rad två {SCRIPT}" in lines
    xml = vendor.get(path, "text/xml")
    assert ElementTree.fromstring(xml.content).tag.endswith("NativeDicomModel")
    assert vendor.get(path, "application/pdf").status_code == 406
    assert vendor.get(f"{path_of(file)}/frames/1/rendered").status_code == 404


def test_the_character_set_is_the_one_asked_for(vendor):
    file = make_report()
    vendor.store(file)
    path = f"{path_of(file)}/rendered"
    latin = vendor.get(f"{path}?charset=iso-8859-1", "text/plain")
    assert latin["Content-Type"] == "text/plain; charset=iso-8859-1"
    assert "Utlåtande" in latin.content.decode("latin-1")
    ascii_page = vendor.get(f"{path}?charset=us-ascii", "text/html").content.decode("ascii")
    assert "Utlåtande" in Page(ascii_page).text
    assert vendor.get(f"{path}?charset=us-ascii", "text/plain").status_code == 406
    assert vendor.get(f"{path}?charset=klingon", "text/plain")["Content-Type"].endswith("utf-8")


def test_a_study_shows_each_part_in_its_own_way(vendor):
    study = dicom.StudyFacts()
    image = dicom.make_ct(study)
    report = dcmread(io.BytesIO(make_report()))
    report.StudyInstanceUID = study.study_instance_uid
    report.PatientName = study.patient_name
    vendor.store(image, dicom.write_file(report, dicom.EXPLICIT))
    path = f"{path_of(image, 'study')}/rendered"
    assert {part.get_content_type() for part in parts_of(vendor.get(path))} == {"image/jpeg", "text/html"}
    pictures = vendor.get(path, 'multipart/related; type="image/png"')
    assert pictures.status_code == 206
    assert [part.get_content_type() for part in parts_of(pictures)] == ["image/png"]
    assert vendor.get(path, 'multipart/related; type="video/mp4"').status_code == 406


@pytest.mark.parametrize("length", [11, 12, 5000])
def test_a_pdf_passes_as_it_is(vendor, length):
    data = b"%PDF-1.4 \x00\xff".ljust(length, b"x")
    file = make_document("1.2.840.10008.5.1.4.1.1.104.1", "text/html", data)
    vendor.store(file)
    for accept in ("*/*", "application/pdf"):
        response = vendor.get(f"{path_of(file)}/rendered", accept)
        assert response["Content-Type"] == "application/pdf"
        assert body_of(response) == data
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Disposition"].startswith("inline; filename=")
    assert vendor.get(f"{path_of(file)}/rendered", "text/html").status_code == 406


CDA = f"""<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type="text/xsl" href="http://evil.example/x.xsl"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:x="http://www.w3.org/1999/xhtml">
<title>Röntgensvar</title><effectiveTime value="20260302"/>
<recordTarget><patientRole><id extension="191212121212" root="1.2"/><patient><name><given>Tolvan</given>
<family>Tolvansson</family></name><birthTime value="19121212"/></patient></patientRole></recordTarget>
<component><structuredBody><component><section><title>Fynd &lt;b&gt;</title><text>
<paragraph>Ingen <content styleCode="Bold">fraktur</content>.<br/>{SCRIPT.replace("<", "&lt;")}</paragraph>
<x:script>alert(1)</x:script><list listType="ordered"><item>ett</item><item>två</item></list>
<table><tbody><tr><td colspan="2" onclick="x()">cell</td><td colspan="x&quot;">två</td></tr></tbody></table>
<linkHtml href="javascript:alert(1)">länk</linkHtml><renderMultiMedia referencedObject="A"/>
</text></section></component></structuredBody></component></ClinicalDocument>""".encode()


def test_a_cda_document_is_a_page_of_its_narrative(vendor):
    file = make_document("1.2.840.10008.5.1.4.1.1.104.2", "text/XML", CDA)
    vendor.store(file)
    path = f"{path_of(file)}/rendered"
    response = vendor.get(path)
    assert response["Content-Type"] == "text/html; charset=utf-8"
    page = Page(response.content.decode())
    assert_harmless(page)
    assert ("colspan", "2") in page.attributes
    for words in ("Röntgensvar", "Tolvan Tolvansson", "Fynd <b>", "Ingen fraktur.", SCRIPT, "två", "länk"):
        assert words in page.text
    lines = vendor.get(path, "text/plain").content.decode().splitlines()
    assert "Patient ID: 191212121212" in lines
    assert "cell | två" in lines
    assert vendor.get(path, "text/xml").content == CDA


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (
            b"<!DOCTYPE a [<!ENTITY b 'c'>]><ClinicalDocument xmlns='urn:hl7-org:v3'>&b;</ClinicalDocument>",
            "type",
        ),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'>", "well-formed"),
        (b"<html xmlns='http://www.w3.org/1999/xhtml'/>", "not a ClinicalDocument"),
        (b"", "well-formed"),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'>" + b"<a>" * 200 + b"</a>" * 200, "nests"),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'>" + b"<a/>" * 2001, "more elements"),
    ],
)
def test_a_document_that_is_none_is_refused(data, complaint, monkeypatch):
    monkeypatch.setattr(clinical_document, "MAX_NODES", 2000)
    with pytest.raises(UnreadableDocument, match=complaint):
        clinical_document.read_document(data)


def test_a_broken_document_is_an_answer_and_no_error(vendor):
    file = make_document("1.2.840.10008.5.1.4.1.1.104.2", "text/XML", b"<nonsense>")
    vendor.store(file)
    assert vendor.get(f"{path_of(file)}/rendered").status_code == 406


def test_reports_of_any_depth_are_shown():
    from repository.structured_report import write_html, write_text

    item: dict[str, Any] = {
        "0040A040": {"vr": "CS", "Value": ["TEXT"]},
        "0040A160": {"vr": "UT", "Value": ["deepest"]},
    }
    for _ in range(500):
        item = {
            "0040A040": {"vr": "CS", "Value": ["CONTAINER"]},
            "0040A730": {"vr": "SQ", "Value": [item, None]},
        }
    for write in (write_text, lambda report: write_html(report, lambda _: None)):
        assert "deeper than is shown" in write(item)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared sample data is not here")
def test_real_reports_are_shown(vendor):
    for path in sorted(SHARED.glob("*.dcm")):
        data = path.read_bytes()
        if vendor.store(data).status_code != 200:
            continue
        page = Page(vendor.get(f"{path_of(data)}/rendered").content.decode())
        assert_harmless(page)
        assert len(page.text) > 200
