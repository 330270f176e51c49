"""Text of a data set: Specific Character Set and the decoding of values.

Standard: PS3.5 6.1, PS3.3 C.12.1.1.2
"""

from collections.abc import Sequence

from pydicom.charset import decode_bytes, python_encoding
from pydicom.valuerep import TEXT_VR_DELIMS

from repository.header.errors import HeaderTooLarge, StrictnessDoubt
from repository.header.model import Findings

DEFAULT_ENCODING = "iso8859"
MAX_ESCAPES = 100_000
_STAND_ALONE = {"utf8", "gb18030", "gbk"}


class TextDecoder:
    """Decodes text values by one Specific Character Set; undecodable bytes become U+FFFD and a warning."""

    __slots__ = ("encodings", "findings", "is_default")

    def __init__(self, encodings: tuple[str, ...], findings: Findings, *, is_default: bool = False) -> None:
        self.encodings = encodings
        self.findings = findings
        self.is_default = is_default

    def decode(self, raw: bytes) -> str:
        """Decode one value without its NUL bytes."""
        if raw.isascii():
            text = raw.decode("ascii")
            if text.isprintable():  # the same in every character set; no escapes, no NUL
                return text
        text = self._decode_extended(raw) if b"\x1b" in raw else self._decode_plain(raw)
        return text.replace("\0", "") if "\0" in text else text

    def _decode_plain(self, raw: bytes) -> str:
        if self.is_default and not raw.isascii():
            self.findings.warn(
                "text holds bytes beyond ASCII but no Specific Character Set is given: read as Latin-1"
            )
        try:
            return raw.decode(self.encodings[0])
        except UnicodeDecodeError:
            self.findings.warn(
                "text does not match the Specific Character Set: undecodable bytes were replaced"
            )
            return raw.decode(self.encodings[0], errors="replace")

    def _decode_extended(self, raw: bytes) -> str:
        self.findings.escapes += raw.count(b"\x1b")
        if self.findings.escapes > MAX_ESCAPES:
            raise HeaderTooLarge(f"more than {MAX_ESCAPES} changes of the character set within text")
        text: str = decode_bytes(raw, list(self.encodings), TEXT_VR_DELIMS)
        if "\ufffd" in text:
            self.findings.warn(
                "text does not match the Specific Character Set: undecodable bytes were replaced"
            )
        return text


def select_decoder(terms: Sequence[str | None], findings: Findings) -> TextDecoder:
    """Return the decoder for the defined terms of (0008,0005).

    Raises
    ------
    StrictnessDoubt
        For a misspelt or unknown term; the lenient reader knows more spellings.
    """
    encodings: list[str] = []
    for term in terms:
        encoding = python_encoding.get((term or "").strip())
        if encoding is None:
            raise StrictnessDoubt("unknown character set")
        encodings.append(encoding)
    if len(encodings) > 1 and any(encoding.lower() in _STAND_ALONE for encoding in encodings):
        raise StrictnessDoubt("a stand-alone character set among others")
    is_default = all(encoding == DEFAULT_ENCODING for encoding in encodings)
    return TextDecoder(tuple(encodings) or (DEFAULT_ENCODING,), findings, is_default=is_default)


def default_decoder(findings: Findings) -> TextDecoder:
    """Return the decoder of a data set without Specific Character Set."""
    return TextDecoder((DEFAULT_ENCODING,), findings, is_default=True)
