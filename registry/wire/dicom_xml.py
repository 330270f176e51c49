"""The Native DICOM Model: a data set as XML, made of its DICOM JSON and read back into it.

The reader is expat without a DTD: what needs a declaration (entities, external files) is refused before it can do
anything.

Standard: PS3.19 A.1, PS3.18 F.3.1
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from xml.parsers import expat

from pydicom.datadict import dictionary_VR, keyword_for_tag

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
MAX_DEPTH = 32
MAX_VALUES = 1_000_000

_HEAD = f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
_TAIL = "</NativeDicomModel>"
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_SPECIAL = re.compile('[&<>"\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]')
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_INTEGER_VRS = frozenset(("SL", "SS", "SV", "UL", "US", "UV"))
_FLOAT_VRS = frozenset(("FD", "FL"))
_CHILDREN = {
    "": ("NativeDicomModel",),
    "NativeDicomModel": ("DicomAttribute",),
    "Item": ("DicomAttribute",),
    "DicomAttribute": ("Value", "Item", "PersonName", "BulkData", "InlineBinary"),
    "PersonName": _GROUPS,
    **dict.fromkeys(_GROUPS, _COMPONENTS),
}
_TEXTS = frozenset(("Value", "InlineBinary", *_COMPONENTS))


class MalformedDicomXml(ValueError):
    """The XML is no Native DICOM Model, or one beyond the limits; the message says in which line."""


def xml_of_dicom_json(data_set: Mapping[str, Any]) -> bytes:
    """Write a data set in the DICOM JSON model as one Native DICOM Model document.

    Characters that XML cannot carry become U+FFFD. A private element's tag is written without its block, which
    the creator names, unless the creator holds more than one block of the group or is absent.

    Standard: PS3.19 A.1.5
    """
    pieces = [_HEAD]
    _write_data_set(data_set, pieces)
    pieces.append(_TAIL)
    return "".join(pieces).encode("utf-8")


def _write_data_set(data_set: Mapping[str, Any], pieces: list[str]) -> None:
    creators = _find_creators(data_set)
    for tag, element in data_set.items():
        vr = element.get("vr", "UN")
        pieces.append(f'<DicomAttribute{_name_attribute(tag, creators)} vr="{vr}">')
        if "BulkDataURI" in element:
            pieces.append(f'<BulkData uri="{_escape(element["BulkDataURI"])}"/>')
        elif "InlineBinary" in element:
            pieces.append(f"<InlineBinary>{element['InlineBinary']}</InlineBinary>")
        else:
            _write_values(vr, element.get("Value", ()), pieces)
        pieces.append("</DicomAttribute>")


def _write_values(vr: str, values: Any, pieces: list[str]) -> None:
    for number, value in enumerate(values, start=1):
        if vr == "SQ":
            pieces.append(f'<Item number="{number}">')
            _write_data_set(value or {}, pieces)
            pieces.append("</Item>")
        elif isinstance(value, dict):
            pieces.append(f'<PersonName number="{number}">')
            pieces += _write_name(value)
            pieces.append("</PersonName>")
        elif value is None:
            pieces.append(f'<{"PersonName" if vr == "PN" else "Value"} number="{number}"/>')
        else:
            pieces.append(f'<Value number="{number}">{_escape(str(value))}</Value>')


def _write_name(name: Mapping[str, str]) -> Iterator[str]:
    for group in _GROUPS:
        if not name.get(group):
            continue
        yield f"<{group}>"
        for component, text in zip(_COMPONENTS, name[group].split("^", 4), strict=False):
            if text:
                yield f"<{component}>{_escape(text)}</{component}>"
        yield f"</{group}>"


def _find_creators(data_set: Mapping[str, Any]) -> dict[str, str]:
    """Return the private creators of a data set by group and block, such as "002910"."""
    return {
        tag[:4] + tag[6:]: values[0]
        for tag, element in data_set.items()
        if _is_creator(tag) and (values := element.get("Value")) and isinstance(values[0], str)
    }


def _is_creator(tag: str) -> bool:
    return tag[3] in "13579BDF" and tag[4:6] == "00" and tag[6] != "0"


def _name_attribute(tag: str, creators: Mapping[str, str]) -> str:
    creator = creators.get(tag[:6]) if tag[3] in "13579BDF" else None
    if creator is None:
        keyword = _find_keyword(tag)
        return f' tag="{tag}" keyword="{keyword}"' if keyword else f' tag="{tag}"'
    is_only = sum(key[:4] == tag[:4] and other == creator for key, other in creators.items()) == 1
    written = f"{tag[:4]}00{tag[6:]}" if is_only else tag
    return f' tag="{written}" privateCreator="{_escape(creator)}"'


@lru_cache(maxsize=8192)
def _find_keyword(tag: str) -> str:
    return str(keyword_for_tag(int(tag, 16)))


@lru_cache(maxsize=8192)
def _find_vr(tag: int) -> str:
    try:
        return str(dictionary_VR(tag)).split(" ", 1)[0]
    except KeyError:
        return "UN"


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0]) or _replace(found[0]), text)


def _replace(character: str) -> str:
    return f"&#{ord(character)};" if "\x7f" <= character <= "\x9f" else "\ufffd"


@dataclass(slots=True)
class _DataSet:
    elements: dict[str, Any] = field(default_factory=dict)
    private: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)


def dicom_json_of_xml(document: bytes) -> dict[str, Any]:
    """Read one Native DICOM Model document into the DICOM JSON model, elements in tag order.

    DS and IS stay text, so that they can be stored as they were written. BulkData keeps its URI, which nobody
    here follows. The caller bounds the size of the document.

    Raises
    ------
    MalformedDicomXml
        It is no such document, declares a DTD, or passes MAX_DEPTH levels or MAX_VALUES values.

    Standard: PS3.19 A.1.5
    """
    return _Reader().read(document)


class _Reader:
    """The state of one reading: which elements are open, and the data sets they fill."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._take_text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._open = [""]
        self._text: list[str] = []
        self._data_sets = [_DataSet()]
        self._elements: list[dict[str, Any]] = []
        self._values = 0

    def read(self, document: bytes) -> dict[str, Any]:
        try:
            self._parser.Parse(document, True)
        except expat.ExpatError as error:
            raise MalformedDicomXml(f"the XML cannot be read: {error}") from error
        except UnicodeError as error:
            raise MalformedDicomXml(f"the text of the XML cannot be decoded: {error}") from error
        return _finish_data_set(self._data_sets[0])

    def _refuse_doctype(self, *_: Any) -> None:
        raise self._fault("a document type declaration is not taken")

    def _fault(self, what: str) -> MalformedDicomXml:
        return MalformedDicomXml(f"line {self._parser.CurrentLineNumber}: {what}")

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        namespace, _, name = qualified.rpartition(" ")
        if namespace not in ("", NAMESPACE) or name not in _CHILDREN.get(self._open[-1], ()):
            raise self._fault(
                f"element {name[:64]!r} does not belong into {self._open[-1] or 'a document'!r}"
            )
        self._open.append(name)
        self._text.clear()
        if name == "DicomAttribute":
            self._start_attribute(attributes)
        elif name in ("Value", "PersonName", "Item"):
            self._start_value(name, attributes.get("number", ""))
        elif name == "BulkData":
            self._elements[-1]["BulkDataURI"] = attributes.get("uri") or attributes.get("uuid", "")

    def _start_attribute(self, attributes: dict[str, str]) -> None:
        tag = attributes.get("tag", "")
        if not _TAG.fullmatch(tag):
            raise self._fault(f"tag {tag[:64]!r} is not eight hexadecimal digits")
        tag, data_set = tag.upper(), self._data_sets[-1]
        vr = attributes.get("vr") or _find_vr(int(tag, 16))
        element: dict[str, Any] = {"vr": vr}
        self._elements.append(element)
        creator = attributes.get("privateCreator")
        if creator and tag[3] in "13579BDF":
            data_set.private.append((tag, creator, element))
        elif tag in data_set.elements:
            raise self._fault(f"the attribute {tag} comes twice")
        else:
            data_set.elements[tag] = element

    def _start_value(self, name: str, number: str) -> None:
        element = self._elements[-1]
        values = element.setdefault("Value", [])
        if {"SQ": "Item", "PN": "PersonName"}.get(element["vr"], "Value") != name:
            raise self._fault(f"{name} is not how a value of VR {element['vr'][:16]!r} is written")
        at = int(number) if number.isdecimal() and len(number) < 8 else 0
        if number and at <= len(values):
            raise self._fault(f"number {number[:16]!r} does not follow {len(values)}")
        added = max(at - len(values), 1)
        self._values += added
        if self._values > MAX_VALUES:
            raise self._fault(f"more than {MAX_VALUES} values")
        values.extend([None] * added)
        if name == "Item":
            if len(self._data_sets) > MAX_DEPTH:
                raise self._fault(f"sequences are nested deeper than {MAX_DEPTH} levels")
            values[:] = [{} if value is None else value for value in values]
            self._data_sets.append(_DataSet())
        elif name == "PersonName":
            values[-1] = {}

    def _take_text(self, text: str) -> None:
        if self._open[-1] in _TEXTS:
            self._text.append(text)
        elif not text.isspace():
            raise self._fault(f"text {text.strip()[:32]!r} does not belong into {self._open[-1]!r}")

    def _end(self, _: str) -> None:
        name = self._open.pop()
        text = "".join(self._text)
        self._text.clear()
        if name == "DicomAttribute":
            self._elements.pop()
        elif name == "Item":
            self._elements[-1]["Value"][-1] = _finish_data_set(self._data_sets.pop())
        elif name == "Value":
            element = self._elements[-1]
            element["Value"][-1] = self._convert(element["vr"], text)
        elif name == "InlineBinary":
            self._elements[-1]["InlineBinary"] = "".join(text.split())
        elif name in _COMPONENTS:
            group = self._elements[-1]["Value"][-1].setdefault(self._open[-1], [""] * 5)
            group[_COMPONENTS.index(name)] = text
        elif name == "PersonName":
            groups = self._elements[-1]["Value"][-1]
            self._elements[-1]["Value"][-1] = {
                key: "^".join(parts).rstrip("^") for key, parts in groups.items()
            } or None

    def _convert(self, vr: str, text: str) -> Any:
        try:
            if not text:
                return None
            if vr in _INTEGER_VRS:
                return int(text)
            if vr in _FLOAT_VRS and text.strip() not in ("NaN", "inf", "-inf"):
                return float(text)
        except ValueError as error:
            raise self._fault(f"{text[:32]!r} is no value of VR {vr}") from error
        return text


def _finish_data_set(data_set: _DataSet) -> dict[str, Any]:
    """Give private elements the block of their creator, and all of them their order."""
    elements = data_set.elements
    for tag, creator, element in data_set.private:
        block = tag[4:6] if tag[4:6] != "00" else _find_block(elements, tag[:4], creator)
        elements.setdefault(f"{tag[:4]}00{block}", {"vr": "LO", "Value": [creator]})
        full = f"{tag[:4]}{block}{tag[6:]}"
        if full in elements:
            raise MalformedDicomXml(f"the attribute {tag} of {creator[:64]!r} comes twice")
        elements[full] = element
    return dict(sorted(elements.items()))


def _find_block(elements: Mapping[str, Any], group: str, creator: str) -> str:
    """Return the block that a creator holds in the group, else the first free one."""
    holders = {f"{number:02X}": elements.get(f"{group}00{number:02X}") for number in range(0x10, 0x100)}
    for block, holder in holders.items():
        if holder is not None and holder.get("Value") == [creator]:
            return block
    for block, holder in holders.items():
        if holder is None:
            return block
    raise MalformedDicomXml(f"group {group} has no free block for the creator {creator[:64]!r}")
