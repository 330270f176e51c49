"""A CDA document as text for people: the narrative of its sections as safe HTML, or plain lines.

Read by expat without any document type, so that there are no entities to resolve. Of the markup only what is
listed here is written again, and all text is escaped.

Standard: HL7 CDA Release 2.0, 4.3.5
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final
from xml.parsers import expat

from repository.structured_report import write_page

MAX_NODES: Final = 200_000
MAX_DEPTH: Final = 100
_NAMESPACE = "urn:hl7-org:v3"
# Narrative markup and what it becomes.
_TAGS = {
    "paragraph": "p", "list": "ul", "item": "li", "table": "table", "thead": "thead", "tbody": "tbody",
    "tfoot": "tfoot", "tr": "tr", "td": "td", "th": "th", "caption": "caption", "sub": "sub", "sup": "sup",
    "content": "span", "footnote": "small", "linkHtml": "span",
}  # fmt: skip
_BLOCKS = frozenset({"paragraph", "list", "item", "table", "tr", "caption", "br", "title", "section"})
_SPANS = ("colspan", "rowspan")


class UnreadableDocument(ValueError):
    """The document is no XML that is read here; the message says why."""


@dataclass(slots=True)
class Element:
    """One element: its name without namespace, attributes, and what is in it in order."""

    name: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def find_all(self, name: str) -> Iterator[Element]:
        """Yield the children of a name."""
        for child in self.children:
            if isinstance(child, Element) and child.name == name:
                yield child

    def find(self, *path: str) -> Element | None:
        """Return the first element at a path; None if there is none."""
        at: Element | None = self
        for name in path:
            at = next(at.find_all(name), None) if at is not None else None
        return at

    def text(self) -> str:
        """Return all text in it, blanks joined."""
        return " ".join("".join(_all_text(self)).split())


def read_document(data: bytes) -> Element:
    """Read a CDA document.

    Raises
    ------
    UnreadableDocument
        It is no XML, has a document type, is nested or branched beyond all need, or is no ClinicalDocument.
    """
    root = _parse(data)
    if root.name != "ClinicalDocument":
        raise UnreadableDocument(f"the document is a {root.name[:40]!r}, not a ClinicalDocument")
    return root


def write_html(document: Element) -> str:
    """Return a document as a page of HTML."""
    body = "".join(_write_sections(document, 2))
    return write_page(_find_title(document), list_headings(document), body)


def write_text(document: Element) -> str:
    """Return a document as lines of text."""
    lines = [_find_title(document), ""]
    lines += [f"{label}: {text}" for label, text in list_headings(document)]
    for section in _list_sections(document):
        title, text = section.find("title"), section.find("text")
        lines += ["", title.text() if title else ""]
        lines += _write_lines(text) if text else []
    return "\n".join(lines) + "\n"


def list_headings(document: Element) -> list[tuple[str, str]]:
    """Return what the head of a document says, label and text; what is empty is left out."""
    role = document.find("recordTarget", "patientRole")
    patient = role.find("patient") if role else None
    author = document.find("author", "assignedAuthor", "assignedPerson", "name")
    found = [
        ("Patient", _text_of(patient.find("name") if patient else None)),
        ("Patient ID", _value_of(role.find("id") if role else None, "extension")),
        ("Born", _value_of(patient.find("birthTime") if patient else None, "value")),
        ("Date", _value_of(document.find("effectiveTime"), "value")),
        ("Author", _text_of(author)),
    ]
    return [(label, text) for label, text in found if text]


def _find_title(document: Element) -> str:
    return _text_of(document.find("title")) or "Clinical document"


def _text_of(element: Element | None) -> str:
    return element.text() if element is not None else ""


def _value_of(element: Element | None, attribute: str) -> str:
    return element.attributes.get(attribute, "") if element is not None else ""


def _list_sections(parent: Element) -> list[Element]:
    """Return the sections directly below a document or a section."""
    body = parent.find("component", "structuredBody") or parent
    return [section for component in body.find_all("component") for section in component.find_all("section")]


def _write_sections(parent: Element, level: int) -> Iterator[str]:
    for section in _list_sections(parent):
        title, text = section.find("title"), section.find("text")
        size = min(level, 6)
        yield "<section>" + (f"<h{size}>{escape(title.text())}</h{size}>\n" if title else "")
        yield from _write_narrative(text) if text else ()
        yield from _write_sections(section, level + 1)
        yield "</section>\n"


def _write_narrative(element: Element) -> Iterator[str]:
    for child in element.children:
        if isinstance(child, str):
            yield escape(child)
        elif child.name == "br":
            yield "<br>"
        elif child.name == "renderMultiMedia":
            yield "<em>(an object that is not shown here)</em>"
        elif child.name in _TAGS:
            tag = _TAGS[child.name]
            if child.name == "list" and child.attributes.get("listType") == "ordered":
                tag = "ol"
            yield f"<{tag}{_write_spans(child)}>"
            yield from _write_narrative(child)
            yield f"</{tag}>"
        else:
            yield from _write_narrative(child)


def _write_spans(element: Element) -> str:
    if element.name not in ("td", "th"):
        return ""
    spans = ((name, element.attributes.get(name, "")) for name in _SPANS)
    return "".join(
        f' {name}="{value}"'
        for name, value in spans
        if value.isascii() and value.isdigit() and len(value) < 4
    )


def _write_lines(element: Element) -> list[str]:
    """Return a narrative as lines: each block begins one, cells are set apart by bars."""
    pieces: list[str] = []
    _collect(element, pieces)
    lines = (" ".join(line.split()).strip("| ") for line in "".join(pieces).split("\n"))
    return [line for line in lines if line]


def _collect(element: Element, pieces: list[str]) -> None:
    for child in element.children:
        if isinstance(child, str):
            pieces.append(child.replace("\n", " "))
            continue
        if child.name in _BLOCKS:
            pieces.append("\n")
        _collect(child, pieces)
        pieces.append(" | " if child.name in ("td", "th") else "\n" if child.name in _BLOCKS else "")


def _all_text(element: Element) -> Iterator[str]:
    for child in element.children:
        if isinstance(child, str):
            yield child
        else:
            yield from _all_text(child)
            yield " "


def _parse(data: bytes) -> Element:
    open_elements: list[Element] = [Element("", {})]
    nodes = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal nodes
        nodes += 1
        if nodes > MAX_NODES or len(open_elements) > MAX_DEPTH:
            raise UnreadableDocument(
                "the document has more elements, or nests them deeper, than is read here"
            )
        element = Element(name.removeprefix(f"{_NAMESPACE} "), attributes)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def refuse(*_: Any) -> None:
        raise UnreadableDocument("the document has a document type: those are not read")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: open_elements.pop()
    parser.CharacterDataHandler = lambda text: open_elements[-1].children.append(text)
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise UnreadableDocument(f"the document is no well-formed XML: {error}") from error
    [root] = open_elements[0].children
    if isinstance(root, str):
        raise UnreadableDocument("the document has no root element")
    return root
