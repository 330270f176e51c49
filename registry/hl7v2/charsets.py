"""The character sets of MSH-18 that are taken.

Standard: HL7 v2.5.1 table 0211
"""

from registry.hl7v2.refusal import DATA_TYPE, TABLE_VALUE_NOT_FOUND, Location, RefusedMessage

ENCODINGS = {
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "ASCII": "ascii",
    "ISO IR6": "ascii",
    "8859/1": "latin-1",
    "ISO-8859-1": "latin-1",
    "ISO8859-1": "latin-1",
    "ISO_IR 100": "latin-1",
    "ISO IR100": "latin-1",
    "8859/15": "iso8859-15",
    "ISO-8859-15": "iso8859-15",
}
NAMES = ("UNICODE UTF-8", "8859/1", "8859/15", "ASCII")
"""Those that are worth telling somebody who sent another one."""
FIELD = Location("MSH", 1, 18)


def decode(raw: bytes, character_set: str) -> tuple[str, str]:
    """Return the text of a message and the encoding it was in.

    Bytes between 0x80 and 0x9F are characters of no part of ISO 8859: whoever sends them as one means another.

    Raises
    ------
    RefusedMessage
        The set is unknown, or the bytes are none of it.
    """
    encoding = ENCODINGS.get(character_set.strip().upper())
    if encoding is None:
        known = ", ".join(NAMES)
        raise RefusedMessage(
            TABLE_VALUE_NOT_FOUND, f"unknown character set {character_set[:20]!r}; known are {known}", FIELD
        )
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _wrong(character_set, error.start, raw) from error
    if encoding.startswith(("latin", "iso")):
        wrong = next((index for index, byte in enumerate(raw) if 0x80 <= byte < 0xA0), None)
        if wrong is not None:
            raise _wrong(character_set, wrong, raw)
    return text, encoding


def _wrong(character_set: str, at: int, raw: bytes) -> RefusedMessage:
    segment = raw[:at].replace(b"\n", b"\r").rpartition(b"\r")[2][:3].decode("ascii", "replace")
    return RefusedMessage(
        DATA_TYPE,
        f"byte {at} (0x{raw[at]:02X}, in segment {segment or 'MSH'}) is not {character_set};"
        " say in MSH-18 what the message is written in",
        FIELD,
    )
