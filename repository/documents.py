"""Stored documents for people: reports and CDA as HTML or lines, PDF and models as they are.

Standard: PS3.18 8.7.4
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, Final

from registry.wire.dicom_xml import xml_of_dicom_json
from repository import clinical_document, retrieve, structured_report
from repository.pixels import Attributes, NotAnImage, read_floats, read_items, read_values
from repository.retrieve import StoredInstance

HTML: Final = "text/html"
PLAIN: Final = "text/plain"
XML: Final = "text/xml"
PDF: Final = "application/pdf"

MAX_CDA_BYTES: Final = 16 << 20

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_CDA = f"{_STORAGE}104.2"
_DOCUMENT, _DOCUMENT_LENGTH = "00420011", "00420015"
# What is in an encapsulated document by its SOP class: not what it says of itself.
_PASSED = {
    f"{_STORAGE}104.1": PDF,
    f"{_STORAGE}104.3": "model/stl",
    f"{_STORAGE}104.4": "model/obj",
    f"{_STORAGE}104.5": "model/mtl",
}
_EVIDENCE = ("0040A375", "0040A385")


def list_document_types(item: StoredInstance) -> tuple[str, ...]:
    """List the media types that a document can be sent as, the default first."""
    passed = _PASSED.get(item.sop_class_uid)
    return (passed,) if passed is not None else (HTML, PLAIN, XML)


def is_passed_on(media_type: str) -> bool:
    """Whether a document of this type is sent as it is stored, and may be long."""
    return media_type in _PASSED.values()


def read_passed_document(item: StoredInstance) -> Iterator[bytes]:
    """Yield an encapsulated document as it is stored, without what pads it to an even length."""
    attributes = retrieve.read_attributes(item)
    length = read_floats(attributes, _DOCUMENT_LENGTH)
    left = int(length[0]) if length and length[0] > 0 else None
    for block in _read_value(item, attributes):
        if left is None:
            yield block
            continue
        yield block[:left]
        left -= len(block)
        if left <= 0:
            return


def render_text(
    item: StoredInstance, media_type: str, make_link: Callable[[str, str, str], str]
) -> str | bytes:
    """Return a report or a CDA document as HTML or as lines; as XML in its own bytes.

    Parameters
    ----------
    make_link
        Makes the address of an instance of study, series and SOP Instance UID.

    Raises
    ------
    UnreadableDocument
        The CDA document is no XML that is read here.
    NotAnImage
        There is no document in the instance.
    """
    attributes = retrieve.read_attributes(item)
    if item.sop_class_uid == _CDA:
        data = _read_clinical_document(item, attributes)
        if media_type == XML:
            return data
        document = clinical_document.read_document(data)
        write = clinical_document.write_html if media_type == HTML else clinical_document.write_text
        return write(document)
    if media_type == XML:
        return xml_of_dicom_json(attributes)
    if media_type == PLAIN:
        return structured_report.write_text(attributes)
    known = _list_evidence(attributes)

    def link(sop_instance_uid: str) -> str | None:
        parents = known.get(sop_instance_uid)
        return make_link(*parents, sop_instance_uid) if parents is not None else None

    return structured_report.write_html(attributes, link)


def _read_clinical_document(item: StoredInstance, attributes: Attributes) -> bytes:
    data = b""
    for block in _read_value(item, attributes):
        data += block
        if len(data) > MAX_CDA_BYTES:
            raise clinical_document.UnreadableDocument(f"the document has more than {MAX_CDA_BYTES} bytes")
    return data.rstrip(b"\0 ")


def _read_value(item: StoredInstance, attributes: Attributes) -> Iterator[bytes]:
    element: Any = attributes.get(_DOCUMENT) or {}
    if "InlineBinary" in element:
        return iter((base64.b64decode(element["InlineBinary"]),))
    if "BulkDataURI" not in element:
        raise NotAnImage("the instance holds no document and no pixel data: there is nothing to show")
    return retrieve.read_bulk_value(item, _DOCUMENT)


def _list_evidence(report: Attributes) -> dict[str, tuple[str, str]]:
    """Return study and series of the instances that a report names as its evidence.

    Standard: PS3.3 C.17.2.3
    """
    found: dict[str, tuple[str, str]] = {}
    for tag in _EVIDENCE:
        for study in read_items(report, tag):
            for series in read_items(study, "00081115"):
                uids = (*read_values(study, "0020000D")[:1], *read_values(series, "0020000E")[:1])
                for reference in read_items(series, "00081199"):
                    for sop in read_values(reference, "00081155")[:1]:
                        if len(uids) == 2:
                            found[str(sop)] = (str(uids[0]), str(uids[1]))
    return found
