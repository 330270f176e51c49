"""An HL7 v2 message as segments, fields, repetitions and components; texts are unescaped when they are read.

Standard: HL7 v2.5.1 2.5, 2.6
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from registry.hl7v2.charsets import decode
from registry.hl7v2.escapes import Delimiters, unescape
from registry.hl7v2.refusal import (
    REQUIRED_FIELD_MISSING,
    SEGMENT_SEQUENCE,
    Location,
    RefusedMessage,
    RejectedMessage,
)

NULL = '""'
MOST_SEGMENTS = 20_000


@dataclass(frozen=True, slots=True)
class Coding:
    """How the texts of a message are written."""

    delimiters: Delimiters = field(default_factory=Delimiters)
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Value:
    """One repetition of a field. Components and subcomponents count from 1."""

    raw: str
    coding: Coding

    def text(self, component: int = 1, subcomponent: int = 1) -> str:
        """Return a component's text, without blanks around it; empty where there is none."""
        parts = self.component(component).split(self.coding.delimiters.subcomponent)
        part = parts[subcomponent - 1] if len(parts) >= subcomponent else ""
        return "" if part == NULL else self._plain(part).strip()

    def component(self, component: int) -> str:
        """Return a component as it is written."""
        parts = self.raw.split(self.coding.delimiters.component)
        return parts[component - 1] if len(parts) >= component else ""

    def whole(self) -> str:
        """Return all of it as one text: for types without components, whose senders may not escape."""
        return "" if self.raw == NULL else self._plain(self.raw)

    def _plain(self, text: str) -> str:
        return unescape(text, self.coding.delimiters, self.coding.encoding)


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment; `sequence` is its place among those of its name, from 1. `fields[0]` is its name."""

    name: str
    sequence: int
    fields: tuple[str, ...]
    coding: Coding

    def raw(self, number: int) -> str:
        """Return a field as it is written."""
        return self.fields[number] if len(self.fields) > number else ""

    def values(self, number: int) -> tuple[Value, ...]:
        """Return the repetitions of a field that hold something."""
        parts = self.raw(number).split(self.coding.delimiters.repetition)
        return tuple(Value(part, self.coding) for part in parts if part)

    def value(self, number: int) -> Value:
        """Return the first repetition of a field, empty if there is none."""
        found = self.values(number)
        return found[0] if found else Value("", self.coding)

    def text(self, number: int, component: int = 1, subcomponent: int = 1) -> str:
        """Return the text of a component of the first repetition."""
        return self.value(number).text(component, subcomponent)

    def is_null(self, number: int) -> bool:
        """Tell whether the sender says that the field is to be empty (`""`), which is not leaving it out."""
        return self.raw(number) == NULL

    def at(self, number: int, repetition: int = 0, component: int = 0) -> Location:
        """Return where a field is, for an answer."""
        return Location(self.name, self.sequence, number, repetition, component)

    def require(self, number: int, component: int = 1) -> str:
        """Return the text of a component that must be there.

        Raises
        ------
        RefusedMessage
            It is empty.
        """
        found = self.text(number, component)
        if not found:
            raise RefusedMessage(REQUIRED_FIELD_MISSING, "a value is required", self.at(number, 1, component))
        return found


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its segments in their order, MSH first."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """Its MSH segment."""
        return self.segments[0]

    def all(self, name: str) -> Iterator[Segment]:
        """Return the segments of a name."""
        return (segment for segment in self.segments if segment.name == name)

    def find(self, name: str) -> Segment | None:
        """Return the first segment of a name."""
        return next(self.all(name), None)

    def require(self, name: str) -> Segment:
        """Return the first segment of a name, which must be there.

        Raises
        ------
        RefusedMessage
            There is none.
        """
        found = self.find(name)
        if found is None:
            raise RefusedMessage(SEGMENT_SEQUENCE, "the segment is required", Location(name))
        return found


def read_header(raw: bytes) -> Segment:
    """Read the MSH segment alone, byte for byte: it says how the rest is written.

    Raises
    ------
    RejectedMessage
        It is no HL7 v2 message.
    """
    first = _trim(raw).replace(b"\n", b"\r").split(b"\r", 1)[0].decode("latin-1")
    delimiters = _read_delimiters(first)
    return _make_segment(first, 1, Coding(delimiters, "latin-1"))


def parse(raw: bytes, default_character_set: str = "UTF-8") -> Message:
    """Read a message in the character set that MSH-18 names.

    Segments end with a carriage return; line feeds are taken for one too, since senders write them.

    Raises
    ------
    RejectedMessage
        It is no HL7 v2 message.
    RefusedMessage
        Its character set is unknown or its bytes are none of it, or it has a line that is no segment.
    """
    header = read_header(raw)
    text, encoding = decode(_trim(raw), header.text(18) or default_character_set)
    coding = Coding(header.coding.delimiters, encoding)
    lines = text.replace("\r\n", "\r").replace("\n", "\r").split("\r")
    segments: list[Segment] = []
    counts: dict[str, int] = {}
    for line in lines:
        if not line.strip():
            continue
        name = line[:3]
        counts[name] = counts.get(name, 0) + 1
        _check_segment(line, name, coding, len(segments))
        segments.append(_make_segment(line, counts[name], coding))
    return Message(tuple(segments))


def _trim(raw: bytes) -> bytes:
    return raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n \t")


def _read_delimiters(line: str) -> Delimiters:
    if not line.startswith("MSH") or len(line) < 8:
        raise RejectedMessage(SEGMENT_SEQUENCE, "a message begins with the segment MSH", Location("MSH"))
    separator = line[3]
    encoding = line[4:].split(separator, 1)[0]
    used = separator + encoding
    is_usable = len(set(used)) == len(used) and not any(char.isalnum() or char.isspace() for char in used)
    if not is_usable or not 1 <= len(encoding) <= 5:
        raise RejectedMessage(
            SEGMENT_SEQUENCE,
            "MSH-1 and MSH-2 must be two to six different characters that are neither letters, digits nor blanks",
            Location("MSH", 1, 2),
        )
    padded = [*encoding, *[""] * 4]
    return Delimiters(separator, padded[0], padded[1] or "~", padded[2], padded[3] or "&")


def _make_segment(line: str, sequence: int, coding: Coding) -> Segment:
    fields = line.split(coding.delimiters.field)
    if fields[0] == "MSH":
        fields.insert(1, coding.delimiters.field)
    return Segment(fields[0], sequence, tuple(fields), coding)


def _check_segment(line: str, name: str, coding: Coding, before: int) -> None:
    is_name = len(name) == 3 and name.isascii() and name.isalnum() and name == name.upper()
    if not is_name or (len(line) > 3 and line[3] != coding.delimiters.field):
        raise RefusedMessage(
            SEGMENT_SEQUENCE,
            f"line {before + 1} does not begin with the name of a segment and {coding.delimiters.field}",
        )
    if name == "MSH" and before:
        raise RefusedMessage(SEGMENT_SEQUENCE, "a message has one MSH segment", Location("MSH", 2))
    if before >= MOST_SEGMENTS:
        raise RefusedMessage(SEGMENT_SEQUENCE, f"a message has at most {MOST_SEGMENTS} segments")
