"""Store bodies that are a zip archive of PS3.10 files: spooled, looked through, unpacked member by member.

No member is ever written under its name. An archive within an archive is not opened.
"""

import errno
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings

from registry.wire.request_body import BodyTooLarge, RequestBody, TruncatedBody
from repository.dicomweb.status import MalformedStoreBody
from repository.header.errors import Part10Error

READ_BYTES = 256 * 1024
MAX_MEMBERS = 100_000
MAX_DIRECTORY_BYTES = 32 << 20
MAX_RATIO = 200
RATIO_FREE_BYTES = 64 << 20
_END = struct.Struct("<4s4H2LH")
_END_MAGIC, _END64_MAGIC, _ARCHIVE_MAGIC = b"PK\x05\x06", b"PK\x06\x06", b"PK\x03\x04"
_MAX_COMMENT_BYTES = 65_535
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LINK, _TYPE_MASK = 0o120000, 0o170000
_ENCRYPTED = 1


class MalformedArchive(MalformedStoreBody):
    """The body is no zip archive that can be read."""


class UnusableMember(Part10Error):
    """A member of the archive is not unpacked; the message says why."""


@dataclass(slots=True)
class _Growth:
    """How many bytes all members together may still become."""

    left_bytes: int

    def spend(self, size_bytes: int) -> None:
        self.left_bytes -= size_bytes
        if self.left_bytes < 0:
            raise UnusableMember(f"the archive grows more than {MAX_RATIO} times: the rest is not unpacked")


@dataclass(frozen=True, slots=True)
class MemberPart:
    """One member; `refusal` says why it is not even opened."""

    file_name: str
    archive: zipfile.ZipFile
    member: zipfile.ZipInfo
    growth: _Growth
    refusal: str

    def chunks(self) -> Iterator[bytes]:
        """Yield the content, unpacked on the way."""
        if self.refusal:
            raise UnusableMember(self.refusal)
        try:
            with self.archive.open(self.member) as content:
                piece = content.read(READ_BYTES)
                if piece.startswith(_ARCHIVE_MAGIC):
                    raise UnusableMember("an archive within the archive: it is not opened")
                while piece:
                    self.growth.spend(len(piece))
                    yield piece
                    piece = content.read(READ_BYTES)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise UnusableMember(f"damaged in the archive: {error}") from error
        except OSError as error:
            if (
                error.errno != errno.EINVAL
            ):  # a place before the beginning; else the disk's fault, not the sender's
                raise
            raise UnusableMember("damaged in the archive: its directory points outside") from error


def unpack_parts(body: RequestBody) -> Iterator[MemberPart]:
    """Yield the files of the archive in the body, in the archive's order.

    Raises
    ------
    MalformedArchive, BodyTooLarge, TruncatedBody
        Nothing of the request can be taken.
    """
    Path(settings.SPOOL_ROOT).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.SPOOL_ROOT) as spool:
        while piece := body.read(READ_BYTES):
            spool.write(piece)
        body.verify_length()
        if not body.received_bytes:
            raise TruncatedBody("the body is empty; send a zip archive")
        _check_directory(spool, body.received_bytes)
        growth = _Growth(MAX_RATIO * body.received_bytes + RATIO_FREE_BYTES)
        try:
            archive = zipfile.ZipFile(spool)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise MalformedArchive(f"the body cannot be read as a zip archive: {error}") from error
        with archive:
            seen: set[str] = set()
            for member in archive.infolist():
                if not member.is_dir():
                    refusal = _find_refusal(member, seen)
                    yield MemberPart(member.filename[:1024], archive, member, growth, refusal)


def _find_refusal(member: zipfile.ZipInfo, seen: set[str]) -> str:
    name = member.filename.replace("\\", "/")
    is_known = name in seen
    seen.add(name)
    if is_known:
        return "its name comes twice in the archive"
    if name.startswith("/") or name[1:2] == ":" or ".." in name.split("/"):
        return "its name leads out of the archive"
    if (member.external_attr >> 16) & _TYPE_MASK == _LINK:
        return "a symbolic link is not followed"
    if member.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if member.compress_type not in _METHODS:
        return f"compression method {member.compress_type} is not taken; use deflate"
    if member.file_size > MAX_RATIO * member.compress_size + RATIO_FREE_BYTES:
        return f"it grows more than {MAX_RATIO} times"
    return ""


def _check_directory(spool: IO[bytes], size_bytes: int) -> None:
    """Bound the central directory before it is read: the library holds all of it."""
    start = max(size_bytes - _END.size - _MAX_COMMENT_BYTES, 0)
    spool.seek(start)
    tail = spool.read()
    at = tail.rfind(_END_MAGIC)
    if at < 0 or at + _END.size > len(tail):
        raise MalformedArchive("the body is no zip archive: its end record is missing")
    _, _, _, _, members, directory_bytes, _, _ = _END.unpack_from(tail, at)
    at64 = tail.rfind(_END64_MAGIC, 0, at)
    if at64 >= 0 and at64 + 56 <= len(tail):
        members = max(members, *struct.unpack_from("<Q", tail, at64 + 32))
        directory_bytes = max(directory_bytes % 0xFFFFFFFF, *struct.unpack_from("<Q", tail, at64 + 40))
    if members > MAX_MEMBERS or directory_bytes > MAX_DIRECTORY_BYTES:
        raise BodyTooLarge(f"the archive has more than {MAX_MEMBERS} members; split it")
