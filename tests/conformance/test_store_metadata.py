"""Store: metadata as JSON or XML with bulk data beside.

Standard: PS3.18 10.5.2, F.2, PS3.19 A.1
"""

import base64
import io
from typing import Any, cast
from xml.etree import ElementTree

import orjson
import pydicom
import pytest

from tests.conformance.archive import DICOM_JSON
from tests.conformance.storing import BOUNDARY, make, path_of, post, read
from tests.conformance.wire import Part, write_multipart
from tests.support.dicom import make_uid

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]

JSON_AND_BULK = f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY}'
XML_AND_BULK = f'multipart/related; type="application/dicom+xml"; boundary={BOUNDARY}'


def json_of(file: bytes, uri: str) -> dict[str, Any]:
    dataset = read(file)
    document = orjson.loads(dataset.to_json(bulk_data_threshold=1, bulk_data_element_handler=lambda _: uri))
    document["00020010"] = {"vr": "UI", "Value": ["1.2.840.10008.1.2.1"]}
    return cast("dict[str, Any]", document)


@pytest.mark.parametrize("uri", ["http://somewhere/bulk/1", "bulk/1", "cid:1@somewhere"])
def test_metadata_as_json_with_bulk_data(inbox, uri):
    """PS3.18 10.5.2, 8.6.1.2: bulk data are matched by Content-Location."""
    file = make()
    metadata = Part({"Content-Type": DICOM_JSON}, orjson.dumps([json_of(file, uri)]))
    pixels = Part({"Content-Type": "application/octet-stream", "Content-Location": uri}, read(file).PixelData)
    answer = post(inbox, write_multipart([metadata, pixels], BOUNDARY), JSON_AND_BULK)
    assert answer.status == 200, answer.describe()
    received = read(inbox.ask(path_of(file), "application/dicom").body)
    assert received.PixelData == read(file).PixelData
    assert received.PatientName == read(file).PatientName


def test_metadata_as_json_with_inline_binary(inbox):
    """PS3.18 F.2.7."""
    file = make()
    document = json_of(file, "x")
    pixels = document["7FE00010"]
    del pixels["BulkDataURI"]
    pixels["InlineBinary"] = base64.b64encode(read(file).PixelData).decode()
    answer = post(
        inbox,
        write_multipart([Part({"Content-Type": DICOM_JSON}, orjson.dumps([document]))], BOUNDARY),
        JSON_AND_BULK,
    )
    assert answer.status == 200, answer.describe()
    assert read(inbox.ask(path_of(file), "application/dicom").body).PixelData == read(file).PixelData


def test_metadata_as_xml_with_bulk_data(inbox):
    file = make()
    metadata = Part({"Content-Type": "application/dicom+xml"}, xml_of(read(file), "bulk/1"))
    pixels = Part(
        {"Content-Type": "application/octet-stream", "Content-Location": "bulk/1"}, read(file).PixelData
    )
    answer = post(inbox, write_multipart([metadata, pixels], BOUNDARY), XML_AND_BULK)
    assert answer.status == 200, answer.describe()
    received = read(inbox.ask(path_of(file), "application/dicom").body)
    assert received.PixelData == read(file).PixelData
    assert received.PatientName == read(file).PatientName


def xml_of(dataset: pydicom.Dataset, uri: str) -> bytes:
    """Write a flat data set as PS3.19 A.1 has it."""
    root = ElementTree.Element(
        "NativeDicomModel",
        {"xmlns": "http://dicom.nema.org/PS3.19/models/NativeDICOM", "xml:space": "preserve"},
    )
    for element in dataset:
        if element.VR == "SQ":
            continue
        attributes = {"tag": f"{element.tag:08X}", "vr": element.VR, "keyword": element.keyword}
        node = ElementTree.SubElement(root, "DicomAttribute", attributes)
        if element.VR in ("OB", "OW"):
            ElementTree.SubElement(node, "BulkData", {"uri": uri})
        elif element.VR == "PN":
            name = ElementTree.SubElement(
                ElementTree.SubElement(node, "PersonName", {"number": "1"}), "Alphabetic"
            )
            for label, text in (
                ("FamilyName", element.value.family_name),
                ("GivenName", element.value.given_name),
            ):
                ElementTree.SubElement(name, label).text = text
        elif element.value not in (None, ""):
            values = element.value if element.VM > 1 else [element.value]
            for number, value in enumerate(values, 1):
                ElementTree.SubElement(node, "Value", {"number": str(number)}).text = str(value)
    return cast("bytes", ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def test_missing_bulk_data_is_refused(inbox):
    """PS3.18 10.5.2: every URI has its part."""
    file = make()
    metadata = Part({"Content-Type": DICOM_JSON}, orjson.dumps([json_of(file, "http://nowhere/1")]))
    answer = post(inbox, write_multipart([metadata], BOUNDARY), JSON_AND_BULK)
    assert answer.status in (400, 409), answer.describe()
    assert inbox.ask(path_of(file), "application/dicom").status == 404


def test_compressed_bulk_data_is_encapsulated(inbox):
    """PS3.18 table 10.5.2-1: image/jpeg as it is."""
    jpeg = inbox["jpeg"]
    dataset = pydicom.dcmread(io.BytesIO(jpeg.file))
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = make_uid(), make_uid()
    document = orjson.loads(
        dataset.to_json(bulk_data_threshold=1, bulk_data_element_handler=lambda _: "bulk/jpeg")
    )
    [frame] = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    metadata = Part({"Content-Type": DICOM_JSON}, orjson.dumps([document]))
    pixels = Part(
        {
            "Content-Type": "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50",
            "Content-Location": "bulk/jpeg",
        },
        frame,
    )
    answer = post(inbox, write_multipart([metadata, pixels], BOUNDARY), JSON_AND_BULK)
    assert answer.status == 200, answer.describe()
    path = f"/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
    received = read(inbox.ask(path, "application/dicom; transfer-syntax=*").body)
    assert received.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert frame.rstrip(b"\0") in received.PixelData


@pytest.mark.parametrize(
    "body",
    [b"not json", b"{", b"[]", b"[1]", b'[{"00080018": 5}]', b'{"00080018":{"vr":"UI","Value":["1.2"]}}'],
)
def test_metadata_that_is_none_is_refused(inbox, body):
    answer = post(inbox, write_multipart([Part({"Content-Type": DICOM_JSON}, body)], BOUNDARY), JSON_AND_BULK)
    assert answer.status in (400, 409), answer.describe()


@pytest.mark.parametrize(
    "text", ["<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a>", "", "<NativeDicomModel/>"]
)
def test_xml_that_is_none_is_refused(inbox, text):
    answer = post(
        inbox,
        write_multipart([Part({"Content-Type": "application/dicom+xml"}, text.encode())], BOUNDARY),
        XML_AND_BULK,
    )
    assert answer.status in (400, 409), answer.describe()
