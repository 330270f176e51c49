"""Escape sequences of HL7 v2 text, both ways.

Standard: HL7 v2.5.1 2.7
"""

import re
from dataclasses import dataclass

_FORMATTING = re.compile(r"\.(br|ce|sp|sk|in|ti|fi|nf)\s*([+-]?\d*)", re.IGNORECASE)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
MOST_BLANKS = 80


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The characters that a message says it separates with, in MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


def unescape(text: str, delimiters: Delimiters, encoding: str = "utf-8") -> str:
    """Return the text that was meant. A sequence that nobody knows is left out, as the standard asks.

    `\\.br\\` and its kin become line breaks; `\\X..\\` are bytes in the character set of the message.
    """
    escape = delimiters.escape
    if not escape or escape not in text:
        return text
    found: list[str] = []
    at = 0
    while (begin := text.find(escape, at)) >= 0:
        end = text.find(escape, begin + 1)
        found.append(text[at:begin])
        if end < 0:  # a lone escape character: the sender did not escape it
            found.append(text[begin:])
            return "".join(found)
        meant = _meaning(text[begin + 1 : end], delimiters, encoding)
        if meant is None:  # no sequence at all: two lone escape characters with text between
            found.append(text[begin:end])
            at = end
        else:
            found.append(meant)
            at = end + 1
    return "".join(found) + text[at:]


def _meaning(sequence: str, delimiters: Delimiters, encoding: str) -> str | None:
    plain = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "H": "",
        "N": "",
    }
    if sequence in plain:
        return plain[sequence]
    formatting = _FORMATTING.fullmatch(sequence)
    if formatting is not None:
        return _format(formatting[1].lower(), formatting[2])
    if sequence[:1] == "X" and _HEX.fullmatch(sequence[1:]):
        return _decode(bytes.fromhex(sequence[1:]), encoding).replace("\0", "")
    is_known = sequence[:1] in ("C", "M", "Z", ".") and re.fullmatch(r"[A-Za-z0-9.+\- ]*", sequence)
    return "" if is_known else None


def _decode(data: bytes, encoding: str) -> str:
    """Decode what was written as numbers; what is not of its set is taken for ISO 8859-1."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _format(command: str, number: str) -> str:
    count = min(int(number), MOST_BLANKS) if number.isdigit() else 1
    if command in ("br", "ce"):
        return "\n"
    if command == "sp":
        return "\n" * count
    return " " * count if command == "sk" else ""


def escape(text: str, delimiters: Delimiters) -> str:
    """Write a text so that no character of it separates anything; line breaks become `\\.br\\`."""
    mark = delimiters.escape
    sequences = {
        mark: "E",
        delimiters.field: "F",
        delimiters.component: "S",
        delimiters.subcomponent: "T",
        delimiters.repetition: "R",
        "\n": ".br",
        "\r": ".br",
    }
    plain = text.replace("\r\n", "\n")
    return "".join(f"{mark}{sequences[char]}{mark}" if char in sequences else char for char in plain)
