"""The instances of a series that are read, not looked at: structured reports and enclosed documents."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q

from frontend.structured_report import StructuredReport, read_structured_report
from registry.models import Instance, Series
from repository.retrieve import (
    Json,
    StoredInstance,
    find_instances,
    read_attributes,
    read_bulk_value,
)

MAX_DOCUMENTS = 20
ENCLOSED = "00420011"
_STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
_ENCLOSED_DOCUMENTS = "1.2.840.10008.5.1.4.1.1.104."
_EXTENSIONS = {"application/pdf": "pdf", "text/xml": "xml", "model/stl": "stl"}


class UnknownDocument(LookupError):
    """The series has no enclosed document under this UID."""


@dataclass(frozen=True, slots=True)
class DocumentView:
    """One document: a report to read here, or a file to fetch (`report` is None)."""

    sop_instance_uid: str
    title: str
    media_type: str
    report: StructuredReport | None


@dataclass(frozen=True, slots=True)
class EnclosedFile:
    """A document as it was enclosed; its bytes come in pieces."""

    media_type: str
    extension: str
    pieces: Iterator[bytes]


def read_documents(series: Series) -> tuple[DocumentView, ...]:
    """Read the documents of a series that was permitted, the first twenty."""
    is_document = Q(sop_class_uid__startswith=_STRUCTURED_REPORTS) | Q(
        sop_class_uid__startswith=_ENCLOSED_DOCUMENTS
    )
    rows = series.instances.filter(is_document).order_by("instance_number", "pk")[:MAX_DOCUMENTS]
    return tuple(_view(row, read_attributes(_stored(series, row.sop_instance_uid))) for row in rows)


def open_enclosed(series: Series, sop_instance_uid: str) -> EnclosedFile:
    """Open the document enclosed in an instance of a series that was permitted.

    Raises
    ------
    UnknownDocument
        There is no such instance in the series, or it encloses nothing.

    Standard: PS3.3 C.24.2
    """
    row = series.instances.filter(sop_instance_uid=sop_instance_uid).first()
    if row is None or not row.sop_class_uid.startswith(_ENCLOSED_DOCUMENTS):
        raise UnknownDocument(f"no enclosed document {sop_instance_uid[:64]}")
    item = _stored(series, sop_instance_uid)
    attributes = read_attributes(item)
    media_type = _first(attributes, "00420012")
    if media_type not in _EXTENSIONS:
        media_type = "application/octet-stream"
    return EnclosedFile(media_type, _EXTENSIONS.get(media_type, "bin"), _read_pieces(item, attributes))


def _read_pieces(item: StoredInstance, attributes: Json) -> Iterator[bytes]:
    value = attributes.get(ENCLOSED, {})
    if "InlineBinary" in value:
        return iter((base64.b64decode(value["InlineBinary"]),))
    if "BulkDataURI" in value:
        return read_bulk_value(item, ENCLOSED)
    raise UnknownDocument(f"instance {item.sop_instance_uid} encloses nothing")


def _view(row: Instance, attributes: Json) -> DocumentView:
    is_report = row.sop_class_uid.startswith(_STRUCTURED_REPORTS)
    title = _first(attributes, "00420010") or _first(attributes, "0008103E")
    report = read_structured_report(attributes) if is_report else None
    return DocumentView(row.sop_instance_uid, title, _first(attributes, "00420012"), report)


def _stored(series: Series, sop_instance_uid: str) -> StoredInstance:
    [item] = find_instances(series.study, series.series_instance_uid, sop_instance_uid)
    return item


def _first(attributes: Json, tag: str) -> str:
    values = attributes.get(tag, {}).get("Value") or [""]
    return str(values[0])
