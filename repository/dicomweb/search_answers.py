"""The rows of a search as an answer: JSON, XML or CSV, with the same attributes in each.

CSV is an extension for spreadsheets.

Standard: PS3.18 8.7.3.2, 10.6.4
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
from pydicom.datadict import keyword_for_tag

from registry.fragments import NAME_GROUPS, fill_base_url
from registry.wire.dicom_xml import xml_of_dicom_json
from registry.wire.media_types import Offer
from registry.wire.multipart_related import new_boundary
from repository.dicomweb.answers import multipart, multipart_type

JSON = Offer("application/dicom+json")
PLAIN_JSON = Offer("application/json")
XML = Offer("application/dicom+xml", multipart=True)
CSV = Offer("text/csv")
OFFERS = (JSON, PLAIN_JSON, XML, CSV)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def write_answer(
    offer: Offer, rows: Iterable[bytes], base_url: str, tags: Iterable[str]
) -> tuple[str, bytes]:
    """Return the Content-Type and the body for rendered rows.

    Parameters
    ----------
    base_url : str
        The public base of the service; the rows may hold a placeholder for it.
    tags : iterable of str
        What rows can hold: the columns of a table.
    """
    document = fill_base_url(b"[" + b",".join(rows) + b"]", base_url)
    if offer == XML:
        boundary = new_boundary()
        parts = ((XML.media_type, "", iter((xml_of_dicom_json(row),))) for row in orjson.loads(document))
        return multipart_type(XML.media_type, boundary), b"".join(multipart(boundary, parts))
    if offer == CSV:
        return "text/csv; charset=utf-8; header=present", _write_csv(
            sorted(set(tags)), orjson.loads(document)
        )
    return offer.media_type, document


def _write_csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([keyword_for_tag(tag) for tag in columns])
    for row in rows:
        writer.writerow([_write_cell(row.get(tag, {})) for tag in columns])
    return text.getvalue().encode()


def _write_cell(element: dict[str, Any]) -> str:
    """Return the values of an element with backslashes between; text can never begin a formula."""
    values = element.get("Value", [])
    if element.get("vr") == "SQ":
        return orjson.dumps(values).decode() if values else ""
    text = "\\".join(_write_values(values))
    is_number = all(isinstance(value, int | float) for value in values)
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not is_number else text


def _write_values(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict):
            yield "=".join(value.get(group, "") for group in NAME_GROUPS).rstrip("=")
        else:
            yield "" if value is None else str(value)
