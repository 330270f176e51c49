"""A structured report as text for people: safe HTML, or plain lines.

What the report says is escaped, whatever it says; there is no script, no style and no picture in the result.

Standard: PS3.3 A.35, C.17.3
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

from repository.pixels import Attributes, read_items, read_values

Link = Callable[[str], str | None]
"""Returns the address where an instance can be looked at, by its SOP Instance UID; None for one that is not known."""

MAX_DEPTH: Final = 64
_CONTENT, _CONCEPT_NAME, _VALUE_TYPE = "0040A730", "0040A043", "0040A040"
_REFERENCES = "00081199"
_PLAIN_VALUES = {
    "TEXT": "0040A160",
    "DATETIME": "0040A120",
    "DATE": "0040A121",
    "TIME": "0040A122",
    "UIDREF": "0040A124",
    "PNAME": "0040A123",
}
_HEADINGS = (
    ("Patient", "00100010"),
    ("Patient ID", "00100020"),
    ("Born", "00100030"),
    ("Sex", "00100040"),
    ("Study", "00081030"),
    ("Study date", "00080020"),
    ("Accession number", "00080050"),
    ("Institution", "00080080"),
    ("Content date", "00080023"),
    ("Completion", "0040A491"),
    ("Verification", "0040A493"),
)


@dataclass(frozen=True, slots=True)
class ContentItem:
    """One node of the content tree as words: what it is about, what it says, what it refers to, what it contains."""

    name: str
    value: str
    instances: tuple[str, ...] = ()
    is_container: bool = False
    children: list[ContentItem] = field(default_factory=list)


def read_content(report: Attributes) -> ContentItem:
    """Read the content tree of a report; its root is the title."""
    return _read_item(report, 0)


def list_headings(report: Attributes) -> list[tuple[str, str]]:
    """Return what the report says about patient, study and itself, label and text; what is empty is left out."""
    found = [(label, ", ".join(map(write_value, read_values(report, tag)))) for label, tag in _HEADINGS]
    for item in read_items(report, "0040A073"):
        name, at = (", ".join(map(write_value, read_values(item, tag))) for tag in ("0040A075", "0040A030"))
        found.append(("Verified by", " ".join(filter(None, (name, at)))))
    return [(label, text) for label, text in found if text]


def write_html(report: Attributes, link: Link) -> str:
    """Return a report as a page of HTML."""
    root = read_content(report)
    title = root.name or "Report"
    body = "".join(_write_items(root.children, 2, link))
    return write_page(title, list_headings(report), body)


def write_text(report: Attributes) -> str:
    """Return a report as lines of text, indented by depth."""
    root = read_content(report)
    lines = [root.name or "Report", ""]
    lines += [f"{label}: {text}" for label, text in list_headings(report)]
    lines.append("")
    lines += _write_lines(root.children, 0)
    return "\n".join(lines) + "\n"


def write_page(title: str, headings: list[tuple[str, str]], body: str) -> str:
    """Return a page of HTML around a body that is HTML already; title and headings are escaped here."""
    facts = "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in headings)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title></head>\n"
        f"<body><main><h1>{escape(title)}</h1>\n<dl>{facts}</dl>\n{body}</main></body></html>\n"
    )


def write_value(value: Any) -> str:
    """Return one value of DICOM JSON as words."""
    if isinstance(value, dict):
        text = str(value.get("Alphabetic") or value.get("Ideographic") or value.get("Phonetic") or "")
        family, _, rest = text.partition("^")
        return ", ".join(filter(None, (family.strip(), " ".join(rest.replace("^", " ").split()))))
    return str(value).replace("\r\n", "\n").replace("\r", "\n")


def _read_item(item: Attributes, depth: int) -> ContentItem:
    kind = str((read_values(item, _VALUE_TYPE) or [""])[0]).strip().upper()
    children = read_items(item, _CONTENT)
    if depth >= MAX_DEPTH and children:
        return ContentItem(_read_code(item, _CONCEPT_NAME), "(deeper than is shown here)")
    instances = tuple(
        str(uid)
        for reference in read_items(item, _REFERENCES)
        for uid in read_values(reference, "00081155")[:1]
    )
    return ContentItem(
        _read_code(item, _CONCEPT_NAME),
        _read_value(item, kind),
        instances,
        kind == "CONTAINER",
        [_read_item(child, depth + 1) for child in children],
    )


def _read_value(item: Attributes, kind: str) -> str:
    if kind in _PLAIN_VALUES:
        return "\n".join(map(write_value, read_values(item, _PLAIN_VALUES[kind])))
    if kind == "CODE":
        return _read_code(item, "0040A168")
    if kind == "NUM":
        return _read_measurement(item)
    if kind in ("SCOORD", "SCOORD3D"):
        shape = ", ".join(map(write_value, read_values(item, "00700023")))
        return f"{shape} of {len(read_values(item, '00700022'))} coordinates".strip()
    if kind == "TCOORD":
        return ", ".join(map(write_value, read_values(item, "0040A130")))
    references = read_values(item, "0040DB73")
    return f"see item {'.'.join(map(write_value, references))}" if references else ""


def _read_measurement(item: Attributes) -> str:
    for measured in read_items(item, "0040A300"):
        number = ", ".join(map(write_value, read_values(measured, "0040A30A")))
        unit = _read_unit(measured)
        return " ".join(filter(None, (number, unit)))
    return _read_code(item, "0040A301")  # why there is no number


def _read_unit(measured: Attributes) -> str:
    for unit in read_items(measured, "004008EA"):
        code = "".join(map(write_value, read_values(unit, "00080100")))
        meaning = "".join(map(write_value, read_values(unit, "00080104")))
        if code in ("1", "{0:1}"):
            return ""
        return code if code and len(code) <= 8 and not code.startswith("{") else meaning or code
    return ""


def _read_code(item: Attributes, tag: str) -> str:
    for code in read_items(item, tag):
        for part in ("00080104", "00080100", "00080119", "00080120"):
            values = read_values(code, part)
            if values:
                return write_value(values[0])
    return ""


def _write_items(items: list[ContentItem], level: int, link: Link) -> Iterator[str]:
    """Yield containers as sections with a heading, everything else as lists of terms."""
    is_open = False
    for item in items:
        if item.is_container:
            yield "</dl>\n" if is_open else ""
            is_open = False
            yield f"<section>{_write_heading(item.name, level)}\n"
            yield from _write_items(item.children, level + 1, link)
            yield "</section>\n"
            continue
        yield "" if is_open else "<dl>"
        is_open = True
        yield f"<dt>{escape(item.name or 'Item')}</dt><dd>{_write_words(item, link)}"
        yield from _write_items(item.children, level + 1, link)
        yield "</dd>\n"
    yield "</dl>\n" if is_open else ""


def _write_heading(text: str, level: int) -> str:
    size = min(level, 6)
    return f"<h{size}>{escape(text)}</h{size}>" if text else ""


def _write_words(item: ContentItem, link: Link) -> str:
    words = [escape(item.value).replace("\n", "<br>")] if item.value else []
    for uid in item.instances:
        address = link(uid)
        label = escape(uid)
        words.append(f'<a href="{escape(address)}">{label}</a>' if address else label)
    return " ".join(words)


def _write_lines(items: list[ContentItem], depth: int) -> Iterator[str]:
    for item in items:
        indent = "  " * depth
        says = " ".join(filter(None, (item.value, *item.instances)))
        first, *others = says.split("\n")
        yield f"{indent}{item.name or 'Item'}: {first}".rstrip(": " if not says else "")
        yield from (f"{indent}  {line}" for line in others)
        yield from _write_lines(item.children, depth + 1)
