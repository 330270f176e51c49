"""Archives as they stream, read from the front and from the end."""

import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.wire import zip_archive
from registry.wire.zip_archive import ZippedFile, stream_zip


def zipped(*files: tuple[str, list[bytes]], expected_bytes: int = 0) -> bytes:
    return b"".join(stream_zip(ZippedFile(name, expected_bytes, iter(pieces)) for name, pieces in files))


@given(st.lists(st.lists(st.binary(max_size=200), max_size=3), max_size=4))
def test_files_come_back_as_they_were(contents):
    names = [f"S0001/I{number:05}.dcm" for number in range(len(contents))]
    archive = zipfile.ZipFile(io.BytesIO(zipped(*zip(names, contents, strict=True))))
    assert archive.testzip() is None
    assert archive.namelist() == names
    assert [archive.read(name) for name in names] == [b"".join(pieces) for pieces in contents]


def read_in_order(archive: bytes) -> list[tuple[str, bytes]]:
    """Read the files as readers of streams do: from the front, without the directory at the end."""
    found, at = [], 0
    while archive[at : at + 4] == b"PK\x03\x04":
        flags, method = struct.unpack_from("<HH", archive, at + 6)
        name_length, extra_length = struct.unpack_from("<HH", archive, at + 26)
        assert (flags & 0x08, method) == (0x08, 8)
        at += 30
        name = archive[at : at + name_length].decode()
        inflater = zlib.decompressobj(-15)
        content = inflater.decompress(archive[at + name_length + extra_length :])
        rest = inflater.unused_data
        large = extra_length > 0
        signature, checksum, packed, size = struct.unpack_from("<4sLQQ" if large else "<4sLLL", rest)
        assert (signature, checksum, size) == (b"PK\x07\x08", zlib.crc32(content), len(content))
        assert packed >= size
        found.append((name, content))
        at = len(archive) - len(rest) + (24 if large else 16)
    return found


@pytest.mark.parametrize("expected_bytes", [0, zip_archive.ZIP64_FROM_BYTES])
def test_a_reader_of_streams_finds_each_end(expected_bytes):
    archive = zipped(("a/1", [b"x" * 70_000, b"y"]), ("a/2", []), expected_bytes=expected_bytes)
    assert read_in_order(archive) == [("a/1", b"x" * 70_000 + b"y"), ("a/2", b"")]


def test_nothing_is_held_back_until_the_end():
    taken = []

    def pieces():
        for number in range(50):
            taken.append(number)
            yield bytes(256 << 10)

    stream = stream_zip([ZippedFile("one", 0, pieces())])
    seen = 0
    for written in stream:
        seen += len(written)
        assert len(written) < 1 << 20
        assert seen > (len(taken) - 3) * (256 << 10)
    assert seen > 50 * (256 << 10)


def test_a_file_that_cannot_be_read_ends_the_archive_without_an_end():
    def pieces():
        yield b"beginning"
        raise OSError("bad block")

    stream = stream_zip([ZippedFile("one", 0, pieces())])
    beginning = next(stream)
    with pytest.raises(OSError, match="bad block"):
        next(stream)
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(beginning))
