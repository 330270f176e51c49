"""A structured report as lines of text: what it says, in its own order.

Standard: PS3.3 C.17.3
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from frontend.people import format_date, format_name, format_time

MAX_LINES = 2000
MAX_DEPTH = 40

Json = dict[str, Any]

_CONTENT = "0040A730"
_CONCEPT_NAME = "0040A043"
_PLAIN_VALUES = {"TEXT": "0040A160", "UIDREF": "0040A124", "DATETIME": "0040A120"}


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One content item; `level` counts from 0, a heading has no text."""

    level: int
    name: str
    text: str
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class StructuredReport:
    """The report: its title, its state in words, its lines; `is_cut` when it has more than are shown."""

    title: str
    state: str
    lines: tuple[ReportLine, ...]
    is_cut: bool


def read_structured_report(attributes: Json) -> StructuredReport:
    """Read a structured report from the DICOM JSON of its instance."""
    lines: list[ReportLine] = []
    is_cut = False
    for line in _walk(attributes):
        if len(lines) == MAX_LINES:
            is_cut = True
            break
        lines.append(line)
    title = _meaning(attributes, _CONCEPT_NAME) or _("Structured report")
    return StructuredReport(title, _describe_state(attributes), tuple(lines), is_cut)


def _walk(attributes: Json) -> Iterator[ReportLine]:
    """Go through the tree in order without recursion: a report may be nested deeper than Python likes."""
    waiting = [(0, item) for item in reversed(_items(attributes, _CONTENT))]
    while waiting:
        level, item = waiting.pop()
        line = _read_item(level, item)
        if line is not None:
            yield line
        if level < MAX_DEPTH:
            waiting += [(level + 1, child) for child in reversed(_items(item, _CONTENT))]


def _read_item(level: int, item: Json) -> ReportLine | None:
    kind = _text(item, "0040A040")
    name = _meaning(item, _CONCEPT_NAME)
    if kind == "CONTAINER":
        return ReportLine(level, name, "", is_heading=True) if name else None
    text = _read_value(kind, item)
    return ReportLine(level, name, text) if name or text else None


def _read_value(kind: str, item: Json) -> str:
    if kind in _PLAIN_VALUES:
        return _text(item, _PLAIN_VALUES[kind])
    if kind == "NUM":
        return _read_number(item)
    if kind == "CODE":
        return _meaning(item, "0040A168")
    if kind == "PNAME":
        return format_name(_text(item, "0040A123"))
    if kind == "DATE":
        return format_date(_text(item, "0040A121"))
    if kind == "TIME":
        return format_time(_text(item, "0040A122"))
    if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        return _("refers to another object of the study")
    return ""


def _read_number(item: Json) -> str:
    measured = _items(item, "0040A300")
    if not measured:
        return _("not measured")
    units = _items(measured[0], "004008EA")
    unit = (_text(units[0], "00080100") or _meaning(measured[0], "004008EA")) if units else ""
    return f"{_text(measured[0], '0040A30A')} {'' if unit == '1' else unit}".strip()


def _describe_state(attributes: Json) -> str:
    complete = {"COMPLETE": _("complete"), "PARTIAL": _("not complete")}.get(
        _text(attributes, "0040A491"), ""
    )
    verified = {"VERIFIED": _("verified"), "UNVERIFIED": _("not verified")}.get(
        _text(attributes, "0040A493"), ""
    )
    return ", ".join(word for word in (complete, verified) if word)


def _meaning(item: Json, tag: str) -> str:
    codes = _items(item, tag)
    return (_text(codes[0], "00080104") or _text(codes[0], "00080100")) if codes else ""


def _text(item: Json, tag: str) -> str:
    values = item.get(tag, {}).get("Value") or []
    first = values[0] if values else ""
    if isinstance(first, dict):
        first = first.get("Alphabetic", "")
    return "" if first is None else str(first)


def _items(item: Json, tag: str) -> list[Json]:
    return [value for value in item.get(tag, {}).get("Value") or [] if isinstance(value, dict)]
