"""Entity tags, conditional requests and byte ranges, decided without reading a byte of what is asked for.

Standard: RFC 9110 8.8.3, 13, 14
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from django.http import HttpRequest

_TAG = re.compile(r'\s*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')
_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})[ \t]*-[ \t]*(\d{0,18})[ \t]*", re.IGNORECASE)


class PreconditionFailed(ValueError):
    """The client wanted this only if it still had the tag that it names, and it has another one."""


@dataclass(frozen=True, slots=True)
class UnsatisfiableRange(ValueError):
    """The range begins behind the end of the content, which has `length_bytes`."""

    length_bytes: int

    def __str__(self) -> str:
        return f"the range begins behind the end: the content has {self.length_bytes} bytes"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of the content: `length` bytes from `start`."""

    start: int
    length: int


def make_tag(facts: Iterable[bytes], *, weak: bool = False) -> str:
    """Make the entity tag of what these facts determine; strong if they determine every byte of it."""
    digest = sha256()
    for fact in facts:
        digest.update(len(fact).to_bytes(4, "big"))
        digest.update(fact)
    tag = f'"{digest.hexdigest()[:32]}"'
    return f"W/{tag}" if weak else tag


def is_not_modified(request: HttpRequest, tag: str) -> bool:
    """Tell whether the client has this already (304); weak tags count.

    Standard: RFC 9110 13.1.2
    """
    wanted = request.META.get("HTTP_IF_NONE_MATCH")
    if wanted is None:
        return False
    if wanted.strip() == "*":
        return True
    return tag.removeprefix("W/") in {known.removeprefix("W/") for known in _read_tags(wanted)}


def check_if_match(request: HttpRequest, tag: str) -> None:
    """Return if the client names no tag, `*`, or this one.

    Raises
    ------
    PreconditionFailed
        It names others (412). A weak tag matches nothing here.

    Standard: RFC 9110 13.1.1
    """
    wanted = request.META.get("HTTP_IF_MATCH")
    if wanted is None or wanted.strip() == "*":
        return
    if tag.startswith("W/") or tag not in _read_tags(wanted):
        raise PreconditionFailed(f"If-Match names {wanted[:80]}, and the content has {tag}")


def find_range(request: HttpRequest, tag: str, length_bytes: int) -> ByteRange | None:
    """Return the one range that is wanted; None for the whole content.

    A header that cannot be read, several ranges, and an If-Range with another tag mean the whole content.

    Raises
    ------
    UnsatisfiableRange
        It begins behind the end (416).

    Standard: RFC 9110 14.2, 13.1.5
    """
    matched = _RANGE.fullmatch(request.META.get("HTTP_RANGE", ""))
    condition = request.META.get("HTTP_IF_RANGE")
    if matched is None or (condition is not None and condition.strip() != tag):
        return None
    first, last = matched[1], matched[2]
    if not first and not last:
        return None
    if not first:
        start, end = max(0, length_bytes - int(last)), length_bytes
    else:
        start, end = int(first), min(int(last) + 1 if last else length_bytes, length_bytes)
        if last and int(last) < start:
            return None
    if start >= length_bytes:
        raise UnsatisfiableRange(length_bytes)
    return ByteRange(start, end - start)


def _read_tags(text: str) -> list[str]:
    """Return the tags of a list; nothing of what follows a fault in it."""
    tags, at = [], 0
    while matched := _TAG.match(text, at):
        tags.append(matched[1])
        at = matched.end()
    return tags
