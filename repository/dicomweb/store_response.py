"""The answer to a store: referenced, failed and other failures, each with a reason and a sentence.

Standard: PS3.18 10.5.3, PS3.18 Annex I.2
"""

from collections.abc import Sequence
from typing import Any

import orjson

from repository.store_result import PartResult

RETRIEVE_URL = "00081190"
WARNING_ELEMENTS_DISCARDED = 0xB006
DATA_SET_MISMATCH_WARNING = 0xB007

Element = dict[str, Any]


def status_of(results: Sequence[PartResult]) -> int:
    """Return 200 when all went in, 202 when some did, 409 when none did."""
    failed = sum(result.failure_reason is not None for result in results)
    if not failed:
        return 200
    return 409 if failed == len(results) else 202


def render_store_response(results: Sequence[PartResult], base: str) -> bytes:
    """Return the response module as DICOM JSON.

    Parameters
    ----------
    base : str
        Base URL of the DICOMweb service, for the RetrieveURLs.
    """
    good = [r for r in results if r.failure_reason is None]
    failed = [r for r in results if r.failure_reason is not None and r.sop_instance_uid]
    other = [r for r in results if r.failure_reason is not None and not r.sop_instance_uid]
    module: dict[str, Element] = {"00080005": _element("CS", "ISO_IR 192")}
    studies = {r.study_instance_uid for r in good}
    if len(studies) == 1:
        module[RETRIEVE_URL] = _element("UR", f"{base}/studies/{studies.pop()}")
    if failed:
        module["00081198"] = {"vr": "SQ", "Value": [_failed_item(r) for r in failed]}
    if good:
        module["00081199"] = {"vr": "SQ", "Value": [_referenced_item(r, base) for r in good]}
    if other:
        module["0008119A"] = {"vr": "SQ", "Value": [_other_item(r) for r in other]}
    return orjson.dumps(module)


def _referenced_item(result: PartResult, base: str) -> dict[str, Element]:
    url = (
        f"{base}/studies/{result.study_instance_uid}/series/{result.series_instance_uid}"
        f"/instances/{result.sop_instance_uid}"
    )
    item = {
        "00081150": _element("UI", result.sop_class_uid),
        "00081155": _element("UI", result.sop_instance_uid),
        RETRIEVE_URL: _element("UR", url),
    }
    if result.is_duplicate:
        item["00000902"] = _element("LO", "already stored with the same content")
    elif result.warnings:
        item["00081196"] = _element("US", DATA_SET_MISMATCH_WARNING)
        item["00000902"] = _element("LO", "; ".join(result.warnings)[:1024])
    return item


def _failed_item(result: PartResult) -> dict[str, Element]:
    return {
        "00081150": _element("UI", result.sop_class_uid),
        "00081155": _element("UI", result.sop_instance_uid),
        **_reason(result),
    }


def _other_item(result: PartResult) -> dict[str, Element]:
    return _reason(result)


def _reason(result: PartResult) -> dict[str, Element]:
    return {
        "00000902": _element("LO", f"part {result.part_number}: {result.comment}"[:1024]),
        "00081197": _element("US", result.failure_reason),
    }


def _element(vr: str, value: Any) -> Element:
    return {"vr": vr, "Value": [value]} if value not in ("", None) else {"vr": vr}
