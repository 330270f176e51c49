"""The body of a STOW-RS answer: which instances the receiver says it has, and which it refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

_REFERENCED_SOP_SEQUENCE = "00081199"
_FAILED_SOP_SEQUENCE = "00081198"
_REFERENCED_SOP_INSTANCE_UID = "00081155"
_FAILURE_REASON = "00081197"
_OUT_OF_RESOURCES = range(0xA700, 0xA800)
_MEANINGS = {
    0x0110: "processing failure",
    0x0111: "it has other data under this UID",
    0x0112: "no such SOP instance",
    0x0117: "invalid SOP instance",
    0x0119: "class and instance do not fit",
    0x0122: "it does not take this SOP class",
    0x0124: "not authorised",
    0xC122: "it does not take this transfer syntax",
}


class UnreadableAnswer(ValueError):
    """The body says nothing about instances; the message says what it is instead."""


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """SOP Instance UIDs the receiver names: `stored`, and `failed` with the reason in words.

    `busy` holds those it could not take for now (out of resources): worth sending again.
    """

    stored: frozenset[str]
    failed: Mapping[str, str]
    busy: frozenset[str]


def read_answer(content: bytes) -> StoreAnswer:
    """Read a Store Instances Response Module in DICOM JSON.

    Raises
    ------
    UnreadableAnswer
        Not JSON, or JSON that names no instance.

    Standard: PS3.18 I.2
    """
    module = _parse(content)
    stored = frozenset(uid for uid, _ in _items(module, _REFERENCED_SOP_SEQUENCE))
    failed: dict[str, str] = {}
    busy: set[str] = set()
    for uid, reason in _items(module, _FAILED_SOP_SEQUENCE):
        if reason in _OUT_OF_RESOURCES:
            busy.add(uid)
        else:
            failed[uid] = describe_reason(reason)
    if not (stored or failed or busy):
        raise UnreadableAnswer("the answer names no instance")
    return StoreAnswer(stored - failed.keys() - busy, failed, frozenset(busy))


def describe_reason(reason: int) -> str:
    """Say a failure reason of PS3.18 annex I, or a status of C-STORE, in words."""
    return f"{_MEANINGS.get(reason, 'refused')} ({reason:04X})"


def _parse(content: bytes) -> dict[str, Any]:
    if not content.strip():
        raise UnreadableAnswer("the answer is empty")
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        begins = content[:40].decode("ascii", "replace")
        raise UnreadableAnswer(f"the answer is not DICOM JSON, it begins {begins!r}") from error
    if isinstance(parsed, list) and len(parsed) == 1:  # dcm4chee and others wrap the one data set in a list
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        raise UnreadableAnswer("the answer is JSON, but no data set")
    return parsed


def _items(module: dict[str, Any], tag: str) -> list[tuple[str, int]]:
    """Return UID and failure reason of every item of a sequence that has a UID."""
    found = []
    for item in _values(module, tag):
        uids = _values(item, _REFERENCED_SOP_INSTANCE_UID) if isinstance(item, dict) else []
        if uids and isinstance(uids[0], str):
            reasons = _values(item, _FAILURE_REASON)
            reason = reasons[0] if reasons and isinstance(reasons[0], int) else 0
            found.append((uids[0].rstrip("\0 "), reason))
    return found


def _values(data_set: dict[str, Any], tag: str) -> list[Any]:
    element = data_set.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []
