"""Media types: how they are written, which transfer syntax has which, and the one place that negotiates."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
AS_STORED = "*"
NEVER_ON_THE_WIRE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.2"})

_OCTET_STREAM = "application/octet-stream"
_MAX_ACCEPT_LENGTH = 8192
_MAX_RANGES = 100


def _syntaxes(prefix: str, *suffixes: str) -> tuple[str, ...]:
    return tuple(prefix + suffix for suffix in suffixes)


_JPEG_FAMILY = "1.2.840.10008.1.2.4."

SYNTAXES_OF_MEDIA_TYPE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        _OCTET_STREAM: _syntaxes("1.2.840.10008.1.2.1", "", ".98", ".99"),
        "image/jpeg": _syntaxes(_JPEG_FAMILY, "70", "50", "51", "57"),
        "image/dicom-rle": ("1.2.840.10008.1.2.5",),
        "image/jls": _syntaxes(_JPEG_FAMILY, "80", "81"),
        "image/jp2": _syntaxes(_JPEG_FAMILY, "90", "91"),
        "image/jpx": _syntaxes(_JPEG_FAMILY, "92", "93"),
        "image/jphc": _syntaxes(_JPEG_FAMILY, "201", "202", "203"),
        "image/jxl": _syntaxes(_JPEG_FAMILY, "110", "111", "112"),
        "video/mpeg": _syntaxes(_JPEG_FAMILY, "100", "100.1", "101", "101.1"),
        "video/mp4": _syntaxes(
            _JPEG_FAMILY, "102", "102.1", "103", "103.1", "104", "104.1", "105", "105.1", "106", "106.1"
        ),
        "video/H265": _syntaxes(_JPEG_FAMILY, "107", "108"),
    }
)
"""Transfer syntaxes of frames and bulk data by media type, the default first. Standard: PS3.18 8.7.3.3"""

_MEDIA_TYPE_OF_SYNTAX = {
    syntax: media_type for media_type, syntaxes in SYNTAXES_OF_MEDIA_TYPE.items() for syntax in syntaxes
}

# Names of earlier editions, and the box format's name for what is always a bare codestream in DICOM.
_ALIASES = {
    "image/jph": "image/jphc",
    "image/x-jls": "image/jls",
    "image/x-dicom-rle": "image/dicom-rle",
    "video/mpeg2": "video/mpeg",
}

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_RANGE = re.compile(rf"[ \t]*({_NAME})/({_NAME})")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_NAME})[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s;,"]*))?')
_SINGLE_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_NAME})[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s;"]*))?')
_ELEMENT = re.compile(r'(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|[^,"])+', re.DOTALL)
_QUALITY = re.compile(r"0(?:\.[0-9]*)?|1(?:\.0*)?|\.[0-9]+")
_LOST_PLUS = re.compile(r"(application/[A-Za-z]+) (json|xml|zip)\b")


class MalformedMediaType(ValueError):
    """The text is not a media type."""


class MalformedAccept(ValueError):
    """The Accept header or query parameter cannot be read; the message says where."""


class NotAcceptable(ValueError):
    """Nothing that is offered is acceptable to the client; the message lists the offers."""


@dataclass(frozen=True, slots=True)
class MediaRange:
    """A media type or range: parameters in order, names in lower case, values unquoted; `q` is apart."""

    type: str
    subtype: str
    parameters: tuple[tuple[str, str], ...] = ()
    q: float = 1.0

    @property
    def name(self) -> str:
        """The type without parameters, in lower case."""
        return f"{self.type}/{self.subtype}"

    def values_of(self, parameter: str) -> tuple[str, ...]:
        """Give the values of a parameter, which may come more than once; names are compared in lower case."""
        return tuple(value for name, value in self.parameters if name == parameter)


@dataclass(frozen=True, slots=True)
class Offer:
    """One representation that a resource can give: a media type, as single part or in multipart/related.

    `transfer_syntaxes` are those it can be converted to; without any, the media type knows none.
    """

    media_type: str
    multipart: bool = False
    transfer_syntaxes: tuple[str, ...] = ()
    default_transfer_syntax: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to answer with. `transfer_syntax` is `*` for "as stored" and empty where the offer has none."""

    offer: Offer
    transfer_syntax: str


def media_type_of_frames(transfer_syntax_uid: str) -> str:
    """Tell the media type of frames in a transfer syntax; octet-stream for uncompressed and unknown ones.

    Standard: PS3.18 8.7.3.3
    """
    return _MEDIA_TYPE_OF_SYNTAX.get(transfer_syntax_uid, _OCTET_STREAM)


@lru_cache(maxsize=128)  # what one client sends it sends again and again
def parse_media_type(text: str) -> MediaRange:
    """Read one media type, as in Content-Type; raises `MalformedMediaType`."""
    matched = _RANGE.match(text)
    if not matched:
        raise MalformedMediaType(f"{text[:80]!r} does not begin with type/subtype")
    parameters, end = _read_parameters(text, matched.end(), _SINGLE_PARAMETER)
    if text[end:].strip():
        raise MalformedMediaType(f"{text[end:][:40]!r} at character {end} is not a parameter")
    return MediaRange(matched[1].lower(), matched[2].lower(), parameters)


def parse_accept(*values: str) -> tuple[MediaRange, ...]:
    """Read the ranges of one or more Accept header values, in order.

    Raises
    ------
    MalformedAccept
        A value has nothing in it that can be read, or too much; a single bad element among good ones is passed over.

    Standard: RFC 9110 12.5.1
    """
    ranges = [media_range for value in values for media_range in _parse_ranges(value)]
    if len(ranges) > _MAX_RANGES:
        raise MalformedAccept(f"{len(ranges)} media ranges; at most {_MAX_RANGES} are read")
    return tuple(ranges)


def negotiate(accept_query: str | None, accept_header: str | None, offers: Sequence[Offer]) -> Choice:
    """Choose the representation to answer with.

    The `accept` query parameter comes first, then the header; within each the quality decides, then how
    exactly a range names the offer, then the order of the offers. Without both, everything is acceptable.

    Raises
    ------
    MalformedAccept
        When a value cannot be read (400).
    NotAcceptable
        When nothing fits (406).

    Standard: PS3.18 8.7.5, 8.7.8.1
    """
    return _negotiate(accept_query or "", accept_header or "", tuple(offers))


@lru_cache(
    maxsize=512
)  # a client asks in the same words again and again, and instances of a series offer the same
def _negotiate(accept_query: str, accept_header: str, offers: tuple[Offer, ...]) -> Choice:
    in_header = parse_accept(accept_header)
    # A '+' in a query means a blank; who did not escape it still means application/dicom+json.
    in_query = parse_accept(_LOST_PLUS.sub(r"\1+\2", accept_query))
    if not in_header and not in_query:
        in_header = (MediaRange("*", "*"),)
    choice = _choose(in_query, offers) or _choose(in_header, offers)
    if choice is None:
        offered = ", ".join(_describe(offer) for offer in offers)
        raise NotAcceptable(f"none of the acceptable media types is available here; offered are: {offered}")
    return choice


def _parse_ranges(value: str) -> list[MediaRange]:
    """Read a list; elements that cannot be read are passed over, unless nothing else is there."""
    if len(value) > _MAX_ACCEPT_LENGTH:
        raise MalformedAccept(f"{len(value)} characters; at most {_MAX_ACCEPT_LENGTH} are read")
    ranges: list[MediaRange] = []
    fault: MalformedAccept | None = None
    at = 0
    while True:
        while at < len(value) and value[at] in " \t,":  # empty list elements are allowed
            at += 1
        if at == len(value):
            break
        try:
            media_range, at = _parse_range(value, at)
            ranges.append(media_range)
        except MalformedAccept as error:
            fault = fault or error
            element = _ELEMENT.match(value, at)
            at = element.end() if element else at + 1
    if fault and not ranges:
        raise fault
    return ranges


def _parse_range(value: str, at: int) -> tuple[MediaRange, int]:
    matched = _RANGE.match(value, at)
    if not matched:
        raise MalformedAccept(f"{value[at : at + 40]!r} at character {at} is not type/subtype")
    parameters, end = _read_parameters(value, matched.end(), _PARAMETER)
    media_range = _make_range(matched[1].lower(), matched[2].lower(), parameters)
    rest = value[end:].lstrip(" \t")
    if rest and rest[0] != ",":
        raise MalformedAccept(f"{value[end : end + 40]!r} at character {end}: expected ';' or ','")
    return media_range, end


def _read_parameters(text: str, at: int, pattern: re.Pattern[str]) -> tuple[tuple[tuple[str, str], ...], int]:
    parameters: list[tuple[str, str]] = []
    while matched := pattern.match(text, at):
        at = matched.end()
        if matched[1]:
            value = matched[2]
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            parameters.append((matched[1].lower(), value))
    return tuple(parameters), at


def _make_range(kind: str, subtype: str, parameters: tuple[tuple[str, str], ...]) -> MediaRange:
    if kind == "*" and subtype != "*":
        raise MalformedAccept(f"*/{subtype} is no media range")
    q = 1.0
    for name, value in parameters:
        if name == "q":
            if not _QUALITY.fullmatch(value):
                raise MalformedAccept(f"quality {value[:20]!r} is not a number from 0 to 1")
            q = float(value)
    return MediaRange(kind, subtype, tuple(pair for pair in parameters if pair[0] != "q"), q)


def _choose(ranges: Sequence[MediaRange], offers: Sequence[Offer]) -> Choice | None:
    best: tuple[tuple[float, int, bool, int, int], Choice] | None = None
    for offer_index, offer in enumerate(offers):
        for syntax in _acceptable_syntaxes(ranges, offer):
            range_index = _governing_range(ranges, offer, syntax)
            media_range = ranges[range_index]
            exactness = _exactness(media_range, offer)
            rank = (media_range.q, *exactness, -offer_index, -range_index)
            if media_range.q > 0 and (best is None or rank > best[0]):
                best = rank, Choice(offer, syntax)
    return best[1] if best else None


def _acceptable_syntaxes(ranges: Sequence[MediaRange], offer: Offer) -> list[str]:
    """List the transfer syntaxes in which the ranges would take an offer: of each range the first offered."""
    syntaxes: dict[str, None] = {}
    for media_range in ranges:
        if _exactness(media_range, offer)[0] < 0:
            continue
        asked = media_range.values_of("transfer-syntax")
        if not asked or not offer.transfer_syntaxes:
            syntaxes[offer.default_transfer_syntax] = None
            continue
        offered = (value for value in asked if value == AS_STORED or value in offer.transfer_syntaxes)
        for value in offered:
            if value not in NEVER_ON_THE_WIRE:
                syntaxes[value] = None
                break
    return list(syntaxes)


def _governing_range(ranges: Sequence[MediaRange], offer: Offer, syntax: str) -> int:
    """Find the range that decides about an offer in a transfer syntax: the most exact, then the first."""
    governing, best = -1, (-1, False)
    for index, media_range in enumerate(ranges):
        asked = media_range.values_of("transfer-syntax")
        if asked and offer.transfer_syntaxes and syntax not in asked:
            continue
        exactness = _exactness(media_range, offer)
        if exactness > best:
            governing, best = index, exactness
    return governing


def _exactness(media_range: MediaRange, offer: Offer) -> tuple[int, bool]:
    """Tell how exactly a range names an offer, -1 for not at all, and whether it names a transfer syntax."""
    named = bool(media_range.values_of("transfer-syntax"))
    if media_range.name == "*/*":
        return 0, named
    if not offer.multipart:
        level = _type_exactness(media_range.name, offer.media_type)
    elif media_range.name == "multipart/*":
        level = 1
    elif media_range.name == "multipart/related":
        types = media_range.values_of("type")
        level = max((_type_exactness(value.lower(), offer.media_type) for value in types), default=2)
    else:
        level = -1
    return level, named and level >= 0


def _type_exactness(asked: str, media_type: str) -> int:
    media_type = media_type.lower()
    if _ALIASES.get(asked, asked) == media_type:
        return 4
    if asked in ("*/*", media_type.partition("/")[0] + "/*"):
        return 3
    return -1


def _describe(offer: Offer) -> str:
    name = f'multipart/related; type="{offer.media_type}"' if offer.multipart else offer.media_type
    if not offer.transfer_syntaxes:
        return name
    return f"{name} (transfer-syntax {', '.join((*offer.transfer_syntaxes, AS_STORED))})"
