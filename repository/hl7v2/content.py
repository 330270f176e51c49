"""What the observations of a report say: its text, its file, its state.

Standard: HL7 v2.5.1 7.4.2 (OBX), 2.A.24 (ED), tables 0085 and 0123; IHE RAD TF-2 4.28
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from registry.hl7v2.message import Segment, Value
from registry.hl7v2.refusal import DATA_TYPE, TABLE_VALUE_NOT_FOUND, RefusedMessage
from registry.hl7v2.requests import is_study_uid
from registry.reports import ADDENDUM, CANCELLED, CORRECTED, FINAL, PRELIMINARY, RANKS

BY_OBSERVATION = {
    **dict.fromkeys(("P", "R", "S", "I", "O", "B"), PRELIMINARY),
    **dict.fromkeys(("F", "U", "V"), FINAL),
    "C": CORRECTED,
    **dict.fromkeys(("X", "D", "W", "N"), CANCELLED),
}
"""By OBX-11; what is deleted or wrong is withdrawn."""
BY_RESULT = {
    **dict.fromkeys(("P", "R", "S", "A", "I", "O", "M"), PRELIMINARY),
    "F": FINAL,
    **dict.fromkeys(("C", "K"), CORRECTED),
    **dict.fromkeys(("X", "D", "Z"), CANCELLED),
}
"""By OBR-25."""
TAKEN_BACK = frozenset({"D", "W"})
TEXT_TYPES = frozenset({"TX", "FT", "ST", "CE", "CWE", "CF", "NM", "SN", "DT", "TM", "TS", "DTM", ""})
CODED_TYPES = frozenset({"CE", "CWE", "CF"})
MEDIA_TYPES = {
    "pdf": "application/pdf",
    "application/pdf": "application/pdf",
    "xml": "text/xml",
    "text/xml": "text/xml",
    "cda": "text/xml",
    "x-hl7-cda-level-one": "text/xml",
    "rtf": "application/rtf",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "tiff": "image/tiff",
}
PLAIN = frozenset({"text", "plain", "txt"})


@dataclass(frozen=True, slots=True)
class Content:
    """What a group of observations says; `status` is empty where they do not tell."""

    text: str
    file: bytes
    media_type: str
    status: str
    is_addendum: bool


def read_content(observations: Sequence[Segment]) -> Content:
    """Read the observations of one report; those that only hold UIDs say nothing by themselves.

    Raises
    ------
    RefusedMessage
        A file cannot be read, or a state is none.
    """
    said = [row for row in observations if not is_study_uid(row) and row.text(2) not in ("HD", "RP", "EI")]
    states = [_state(row) for row in said if row.text(11)]
    standing = [row for row in said if row.text(11).upper() not in TAKEN_BACK]
    file, media_type, plain = b"", "", ""
    for row in standing:
        if row.text(2) == "ED":
            data, found = read_file(row)
            if found == "text/plain":
                plain += _decode(data, row)
            elif not file:
                file, media_type = data, found
    text = "\n\n".join(part for part in (_read_text(standing), plain.strip()) if part)
    return Content(text, file, media_type, _strongest(states), any(_is_addendum(row) for row in standing))


def read_result_status(request: Segment | None) -> str:
    """Return the state that OBR-25 tells, or empty.

    Raises
    ------
    RefusedMessage
        It is none of the table.
    """
    code = request.text(25).upper() if request else ""
    if code and code not in BY_RESULT and request is not None:
        raise RefusedMessage(TABLE_VALUE_NOT_FOUND, f"unknown result status {code[:5]!r}", request.at(25))
    return BY_RESULT.get(code, "")


def decide_status(stated: str, content: Content) -> str:
    """Return the state of a version: what the order tells, made more exact by what the observations tell."""
    status = stated or content.status or PRELIMINARY
    if status == FINAL and content.status in (CORRECTED, CANCELLED):
        status = content.status
    return ADDENDUM if status == FINAL and content.is_addendum else status


def read_file(row: Segment) -> tuple[bytes, str]:
    """Return the bytes of an ED and their media type.

    Raises
    ------
    RefusedMessage
        They are not base64 (or hexadecimal), or of a kind that is not taken.
    """
    value: Value = row.value(5)
    kind, subtype, encoding = value.text(2).lower(), value.text(3).lower(), value.text(4).lower()
    data = "".join(value.component(5).split())
    try:
        if encoding == "base64":
            found = base64.b64decode(data, validate=True)
        elif encoding == "hex":
            found = binascii.unhexlify(data)
        else:
            found = value.text(5).encode()
    except (binascii.Error, ValueError) as error:
        raise RefusedMessage(DATA_TYPE, f"the file is not {encoding}: {error}", row.at(5, 1, 5)) from error
    if not found:
        raise RefusedMessage(DATA_TYPE, "the file is empty", row.at(5, 1, 5))
    if subtype in PLAIN or (kind == "text" and not subtype):
        return found, "text/plain"
    media_type = MEDIA_TYPES.get(subtype) or MEDIA_TYPES.get(kind)
    if media_type is None:
        raise RefusedMessage(
            TABLE_VALUE_NOT_FOUND, f"files of the type {kind}/{subtype} are not taken", row.at(5, 1, 3)
        )
    if media_type == "application/pdf" and not found.lstrip()[:5] == b"%PDF-":
        raise RefusedMessage(DATA_TYPE, "the file is no PDF", row.at(5, 1, 5))
    return found, media_type


def _read_text(rows: Sequence[Segment]) -> str:
    """Return the text of a report: a line for each observation, under headings where several are told apart."""
    told = [(_name(row), row, _lines(row)) for row in rows if row.text(2) in TEXT_TYPES]
    sections: list[tuple[str, str, list[str]]] = []
    for key, row, lines in told:
        if not sections or sections[-1][0] != key:
            sections.append((key, row.text(3, 2) or row.text(3, 5), []))
        sections[-1][2].extend(lines)
    has_headings = len({key for key, _, _ in sections}) > 1
    parts = []
    for _, heading, lines in sections:
        body = "\n".join(lines).strip("\n")
        if body.strip():
            parts.append(f"{heading}\n{body}" if has_headings and heading else body)
    return "\n\n".join(parts).replace("\r\n", "\n").replace("\r", "\n")


def _name(row: Segment) -> str:
    return f"{row.text(3, 1)} {row.text(3, 1, 2)} {row.text(3, 2)}"


def _lines(row: Segment) -> list[str]:
    coded = row.text(2) in CODED_TYPES
    return [
        (value.text(2) or value.text(1)) if coded else value.whole().rstrip() for value in _repeated(row)
    ] or [""]


def _repeated(row: Segment) -> list[Value]:
    """Return the repetitions of OBX-5, empty ones too: they are empty lines."""
    raw = row.raw(5)
    return [Value(part, row.coding) for part in raw.split(row.coding.delimiters.repetition)] if raw else []


def _state(row: Segment) -> str:
    code = row.text(11).upper()
    if code not in BY_OBSERVATION:
        raise RefusedMessage(TABLE_VALUE_NOT_FOUND, f"unknown result status {code[:5]!r}", row.at(11))
    return BY_OBSERVATION[code]


def _strongest(states: Sequence[str]) -> str:
    """Return the state of all observations together: withdrawn only if all are, corrected if one is."""
    standing = [state for state in states if state != CANCELLED]
    if not standing:
        return states[0] if states else ""
    return max(standing, key=lambda state: RANKS[state])


def _is_addendum(row: Segment) -> bool:
    return "ADT" in (row.text(3, 1, 2).upper(), row.text(3, 1).upper())


def _decode(data: bytes, row: Segment) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise RefusedMessage(DATA_TYPE, "the text file is not UTF-8", row.at(5, 1, 5)) from error
