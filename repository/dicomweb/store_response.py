"""The answer to a store: referenced, failed and other failures, each with a reason and a sentence.

Error Comment (0000,0902) holds 64 characters, so it says the matter in short; the whole sentence and the name that
the sender gave a file stand beside it in private elements, and the first sentences in Warning headers.

Standard: PS3.18 10.5.3, PS3.18 Annex I
"""

from collections.abc import Sequence
from typing import Any

import orjson

from registry.wire.dicom_xml import xml_of_dicom_json
from registry.wire.media_types import Choice, Offer
from registry.wire.multipart_related import close_delimiter, frame_part, new_boundary
from repository.store_result import PartResult

DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
ANSWERS = (
    Offer(DICOM_JSON),
    Offer("application/json"),
    Offer(DICOM_XML, multipart=True),
    Offer(DICOM_XML),
)
RETRIEVE_URL = "00081190"
ERROR_COMMENT = "00000902"
ERROR_COMMENT_CHARACTERS = 64
PRIVATE_CREATOR = "SAMSYN STORE RESPONSE"
DETAIL, FILE_NAME = "00091001", "00091002"
ALREADY_STORED = "already stored with the same content"
MAX_WARNINGS = 5

Element = dict[str, Any]
DataSet = dict[str, Element]


def status_of(results: Sequence[PartResult]) -> int:
    """Return 200 when all went in, 202 when some did or one with a warning, 409 when none did.

    Standard: PS3.18 10.5.3.1
    """
    failed = sum(result.failure_reason is not None for result in results)
    if failed == len(results):
        return 409
    return 202 if failed or any(result.warning_reason for result in results) else 200


def build_store_response(results: Sequence[PartResult], base: str) -> DataSet:
    """Return the Store Instances Response Module in the DICOM JSON model.

    Parameters
    ----------
    base : str
        Base URL of the DICOMweb service, for the RetrieveURLs.

    Standard: PS3.18 I.1
    """
    good = [r for r in results if r.failure_reason is None]
    failed = [r for r in results if r.failure_reason is not None and r.sop_instance_uid]
    other = [r for r in results if r.failure_reason is not None and not r.sop_instance_uid]
    studies = {r.study_instance_uid for r in good}
    url = f"{base}/studies/{studies.pop()}" if len(studies) == 1 else ""
    module: DataSet = {"00080005": _element("CS", "ISO_IR 192"), RETRIEVE_URL: _element("UR", url)}
    if failed:
        module["00081198"] = {"vr": "SQ", "Value": [_failed_item(r) for r in failed]}
    if good:
        module["00081199"] = {"vr": "SQ", "Value": [_referenced_item(r, base) for r in good]}
    if other:
        module["0008119A"] = {"vr": "SQ", "Value": [_other_item(r) for r in other]}
    return module


def write_store_response(module: DataSet, choice: Choice) -> tuple[bytes, str]:
    """Write the module as was chosen of ANSWERS; returns the body and its Content-Type."""
    if choice.offer.media_type != DICOM_XML:
        return orjson.dumps(module), choice.offer.media_type
    document = xml_of_dicom_json(module)
    if not choice.offer.multipart:
        return document, DICOM_XML
    boundary = new_boundary()
    body = frame_part(boundary, DICOM_XML, first=True) + document + close_delimiter(boundary)
    return body, f'multipart/related; type="{DICOM_XML}"; boundary={boundary}'


def write_warning(results: Sequence[PartResult]) -> str:
    """Return the value of a Warning header with the first failures in whole sentences, "" without any.

    What was kept as it is, whatever the sender sent, is said behind them.

    Standard: RFC 7234 5.5
    """
    texts = [_name(r) + r.comment for r in results if r.failure_reason is not None]
    texts += [_name(r) + r.warnings[0] for r in results if r.failure_reason is None and r.is_first_kept]
    hidden = len(texts) - MAX_WARNINGS
    if hidden > 0:
        texts[MAX_WARNINGS:] = [f"{hidden} more are in the body"]
    return ", ".join(f'299 samsyn "{_quote(text)}"' for text in texts)


def _quote(text: str) -> str:
    """Make a text fit a quoted string of a header: ASCII, no line ends, no quotation marks."""
    plain = text.encode("ascii", "replace").decode("ascii").replace("\\", "/").replace('"', "'")
    return "".join(character if character.isprintable() else " " for character in plain)[:300]


def _referenced_item(result: PartResult, base: str) -> DataSet:
    url = (
        f"{base}/studies/{result.study_instance_uid}/series/{result.series_instance_uid}"
        f"/instances/{result.sop_instance_uid}"
    )
    remarks = "; ".join(result.warnings)
    comment = ALREADY_STORED if result.is_duplicate else result.summary or remarks
    return {
        **(_comment(comment) if comment else {}),
        **_reference(result),
        RETRIEVE_URL: _element("UR", url),
        **({"00081196": _element("US", result.warning_reason)} if result.warning_reason else {}),
        **(
            {"04000561": {"vr": "SQ", "Value": [result.original_attributes]}}
            if result.original_attributes
            else {}
        ),
        **_private(remarks if len(remarks) > ERROR_COMMENT_CHARACTERS else "", result.file_name),
    }


def _failed_item(result: PartResult) -> DataSet:
    return {**_comment(_summarise(result)), **_reference(result), **_reason(result)}


def _other_item(result: PartResult) -> DataSet:
    return {**_comment(_summarise(result)), **_reason(result)}


def _reason(result: PartResult) -> DataSet:
    reason = {"00081197": _element("US", result.failure_reason)}
    return {**reason, **_private(result.comment, result.file_name)}


def _reference(result: PartResult) -> DataSet:
    """Standard: PS3.3 Table 10-11."""
    return {
        "00081150": _element("UI", result.sop_class_uid),
        "00081155": _element("UI", result.sop_instance_uid),
    }


def _summarise(result: PartResult) -> str:
    return f"part {result.part_number}: {result.summary or result.comment}"


def _name(result: PartResult) -> str:
    return f"part {result.part_number}{f' {result.file_name}' if result.file_name else ''}: "


def _comment(text: str) -> DataSet:
    return {ERROR_COMMENT: _element("LO", shorten(text))}


def shorten(text: str) -> str:
    """Cut a text to what Error Comment holds, at a blank where there is one; no backslash is left in it.

    Standard: PS3.7 C.4
    """
    text = " ".join(text.replace("\\", "/").split())
    if len(text) <= ERROR_COMMENT_CHARACTERS:
        return text
    cut = text[: ERROR_COMMENT_CHARACTERS - 3]
    return (cut[: cut.rfind(" ")] if " " in cut[30:] else cut) + "..."


def _private(detail: str, file_name: str) -> DataSet:
    texts = {DETAIL: detail, FILE_NAME: file_name}
    elements = {tag: _element("UT", text) for tag, text in texts.items() if text}
    return {"00090010": _element("LO", PRIVATE_CREATOR), **elements} if elements else {}


def _element(vr: str, value: Any) -> Element:
    return {"vr": vr, "Value": [value]} if value not in ("", None) else {"vr": vr}
