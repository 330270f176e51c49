"""What is said to a receiver in one message: a report, a request, a recall.

Standard: HL7 v2.5.1 2.5, 2.14.9 (MSH)
"""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils.timezone import localtime

from registry.affinity import affinity
from registry.hl7v2.acknowledgment import APPLICATION
from registry.hl7v2.charsets import ENCODINGS
from registry.hl7v2.escapes import Delimiters, escape
from registry.identity import is_oid
from registry.models import Destination

DELIMITERS = Delimiters()
VERSION = "2.5.1"
NAMES = {"utf-8": "UNICODE UTF-8", "latin-1": "8859/1", "iso8859-15": "8859/15", "ascii": "ASCII"}
INSTEAD = {
    "≥": ">=",
    "≤": "<=",
    "≈": "~=",
    "→": "->",
    "−": "-",
    "‐": "-",
    "–": "-",
    "—": "-",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "…": "...",
    "•": "-",
    "μ": "µ",
    "€": "EUR",
}
"""For a character that a set has not; `~=` is written after escaping, so it is changed again below."""
SHORTEST_CONCEALED = 3


@dataclass(frozen=True, slots=True)
class Message:
    """One message; its `control_id` is the same for every attempt, so that a receiver can tell a repeat.

    `private` are words about the patient: what a receiver says about the message is kept without them.
    """

    control_id: str
    body: bytes
    private: frozenset[str] = frozenset()


def write_message(
    destination: Destination, kind: str, segments: Iterable[str], planned_at: datetime, key: str
) -> Message:
    """Put a header before segments, in the character set of the receiver.

    Parameters
    ----------
    kind
        MSH-9, such as `ORU^R01^ORU_R01`.
    key
        Says which delivery it is: the same content of another delivery is another message.
    """
    lines = list(segments)
    control_id = _make_control_id(key, lines)
    encoding = ENCODINGS.get(destination.character_set.strip().upper(), "utf-8")
    header = write_segment(
        "MSH",
        "^~\\&",
        plain(APPLICATION),
        plain(affinity().source_id),
        plain(destination.receiving_application),
        plain(destination.receiving_facility),
        write_moment(planned_at),
        "",
        kind,
        control_id,
        "P",
        VERSION,
        *("",) * 5,
        NAMES[encoding],
    )
    text = "\r".join((header, *lines)) + "\r"
    return Message(control_id, spell(text, encoding).encode(encoding), _private_words(lines))


def write_segment(name: str, *fields: str) -> str:
    """Join fields that are escaped already; those at the end that are empty are left out."""
    return DELIMITERS.field.join((name, *fields)).rstrip(DELIMITERS.field)


def plain(text: str) -> str:
    """Escape a text for a field of one line."""
    return escape(" ".join(_printable(text).split()), DELIMITERS)


def formatted(text: str) -> str:
    """Escape a text whose lines matter, for FT."""
    return escape(_printable(text), DELIMITERS)


def join(*components: str) -> str:
    """Join components that are escaped already."""
    return DELIMITERS.component.join(components).rstrip(DELIMITERS.component)


def write_entity(number: str, issuer: str) -> str:
    """Write an EI: a number and the authority that gave it."""
    if not number:
        return ""
    return (
        join(plain(number), "", plain(issuer), "ISO")
        if is_oid(issuer)
        else join(plain(number), plain(issuer))
    )


def write_numbered(number: str, issuer: str, type_code: str) -> str:
    """Write a CX: a patient's number, who gave it and what it is."""
    authority = f"&{plain(issuer)}&ISO" if is_oid(issuer) else plain(issuer)
    return join(plain(number), "", "", authority, type_code)


def write_name(name: str) -> str:
    """Write a DICOM person name as XPN: family, given, middle, suffix, prefix."""
    parts = [*name.split("=", 1)[0].split("^"), *("",) * 5]
    return join(*(plain(parts[index]) for index in (0, 1, 2, 4, 3)))


def write_person(name: str) -> str:
    """Write a name as XCN without an id; of a text `id^family^given` the id leads."""
    parts = name.split("^")
    if parts[0] and any(letter.isdigit() for letter in parts[0]):
        return join(*map(plain, parts))
    return join("", *map(plain, parts)) if name else ""


def write_coded(code: str, scheme: str, text: str) -> str:
    """Write a CE."""
    return join(plain(code), plain(text), plain(scheme))


def write_moment(moment: datetime | None) -> str:
    """Write a moment in local time with its offset; empty for none."""
    if moment is None:
        return ""
    local = localtime(moment)
    fraction = f".{local.microsecond // 100:04d}" if local.microsecond else ""
    return f"{local:%Y%m%d%H%M%S}{fraction}{local:%z}"


def conceal(text: str, message: Message) -> str:
    """Take out of what a receiver says whatever it repeats of the patient."""
    return re.sub(r"\w+", lambda found: "…" if found[0].casefold() in message.private else found[0], text)


def spell(text: str, encoding: str) -> str:
    """Write otherwise the characters that a character set has not, so that their meaning stays."""
    return "".join(char if _fits(char, encoding) else _spell(char, encoding) for char in text)


def _spell(char: str, encoding: str) -> str:
    other = INSTEAD.get(char, "").replace("~", "")
    if other and _fits(other, encoding):
        return other
    base = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    if base and base != char and _fits(base, encoding) and base.isalnum():
        return base
    return f"[{unicodedata.name(char, 'unknown character').lower()}]"


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _printable(text: str) -> str:
    """Take out control characters: they would end the frame or the segment."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ").split("\n")
    return "\n".join(
        "".join(c for c in line if unicodedata.category(c) not in ("Cc", "Cs")) for line in lines
    )


def _make_control_id(key: str, lines: list[str]) -> str:
    """Make the 20 characters of MSH-10 from what the message says."""
    digest = hashlib.sha256("\r".join((key, *lines)).encode()).digest()
    return base64.b32encode(digest).decode()[:20]


def _private_words(lines: list[str]) -> frozenset[str]:
    patient = [line for line in lines if line.startswith("PID|")]
    words = re.findall(r"\w+", " ".join(patient))
    return frozenset(word.casefold() for word in words if len(word) >= SHORTEST_CONCEALED and word != "PID")
