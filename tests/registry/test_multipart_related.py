"""Multipart bodies: what a client may send, what it may not, and that nothing cut is ever taken for whole."""

import io
from collections.abc import Callable, Iterator

import pytest
import requests
from dicomweb_client.web import DICOMwebClient
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from registry.wire import multipart_related
from registry.wire.multipart_related import (
    MalformedMultipart,
    MissingBoundary,
    MultipartReader,
    Part,
    boundary_of,
    close_delimiter,
    frame_part,
    new_boundary,
)
from registry.wire.request_body import TruncatedBody

BOUNDARY = "b0"
BODY = (
    b"preamble text\r\n--b0\r\nContent-Type: application/dicom\r\nContent-Location: a\r\n\r\n\r\n--b0x\r\n--b\r\n--b0-\r"
    b"\r\n--b0 \t\r\n\r\n\r\n--b0\r\nX: \r\n\r\n--b0--\r\nepilogue"
)
PARTS = [
    ({"content-type": "application/dicom", "content-location": "a"}, b"\r\n--b0x\r\n--b\r\n--b0-\r"),
    ({}, b""),
    ({"x": ""}, b""),
]


def trickle(data: bytes, step: int) -> Callable[[int], bytes]:
    """A `read` that gives at most `step` bytes at once."""
    stream = io.BytesIO(data)
    return lambda size: stream.read(min(size, step))


def read_all(
    data: bytes, step: int = 1 << 30, boundary: str = BOUNDARY
) -> list[tuple[dict[str, str], bytes]]:
    reader = MultipartReader(trickle(data, step), boundary.encode())
    parts = [(dict(part.headers), b"".join(part.chunks())) for part in reader]
    assert reader.complete
    return parts


def consume(reader: MultipartReader) -> None:
    for part in reader:
        b"".join(part.chunks())


def build(parts: list[bytes], boundary: str = BOUNDARY) -> bytes:
    return b"".join(frame_part(boundary, "application/dicom") + part for part in parts) + close_delimiter(
        boundary
    )


@pytest.mark.parametrize("step", range(1, len(BODY) + 1))
def test_the_size_of_what_the_network_gives_changes_nothing(step: int) -> None:
    assert read_all(BODY, step) == PARTS


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_body_cut_anywhere_is_never_complete(step: int) -> None:
    whole = BODY.index(b"--b0--") + len(b"--b0--")
    for cut in range(whole):
        reader = MultipartReader(trickle(BODY[:cut], step), BOUNDARY.encode())
        with pytest.raises((TruncatedBody, MalformedMultipart), match="byte"):
            consume(reader)
        assert not reader.complete
    for cut in range(whole, len(BODY) + 1):
        # A line end that is cut in half is a line end that was never finished; all else is epilogue.
        if BODY[whole:cut] != b"\r":
            assert read_all(BODY[:cut], step) == PARTS


payload = st.lists(
    st.one_of(
        st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n--", b"b0", b"\r\n--b0", b" ", b"\x00"]),
        st.binary(max_size=9),
    )
).map(b"".join)


def is_content(data: bytes) -> bool:
    """No line of the data is a delimiter, by the letter of RFC 2046 and not by our scanner."""
    for line in (b"\r\n" + data + b"\r\n").split(b"\r\n--b0")[1:]:
        rest = line.removeprefix(b"--").lstrip(b" \t")
        if rest.startswith((b"\r\n", b"\n")) or rest in (b"", b"\r"):
            return False
    return True


@settings(max_examples=300, deadline=None)
@given(st.lists(payload.filter(is_content), max_size=4), st.integers(1, 40))
def test_parts_of_any_content_come_out_as_they_went_in(parts: list[bytes], step: int) -> None:
    assert [content for _, content in read_all(build(parts), step)] == parts


@settings(max_examples=300, deadline=None)
@given(payload, st.integers(1, 40))
def test_any_bytes_at_all_end_in_parts_or_in_one_of_two_errors(data: bytes, step: int) -> None:
    reader = MultipartReader(trickle(data, step), BOUNDARY.encode())
    try:
        consume(reader)
    except (TruncatedBody, MalformedMultipart):
        assert not reader.complete
    else:
        assert reader.complete
        assert b"--b0--" in data


def test_hostile_content_across_the_edges_of_large_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart_related, "READ_BYTES", 64)
    for filler in (b"\r", b"\r\n--", b"\r\n--b0-", b"\n-"):
        for length in range(50, 80):
            content = (filler * 80)[:length] + b"x"
            assert [data for _, data in read_all(build([content, b"next"]))] == [content, b"next"]


def test_what_is_left_of_a_part_is_skipped() -> None:
    data = build([b"a" * 1_000_000, b"b" * 600_000, b"c"])
    reader = MultipartReader(io.BytesIO(data).read, BOUNDARY.encode())
    assert [bytes(next(part.chunks())[:1]) for part in reader] == [b"a", b"b", b"c"]
    assert reader.complete


def test_a_part_that_was_left_cannot_be_read_later() -> None:
    parts: list[Part] = list(MultipartReader(io.BytesIO(build([b"one", b"two"])).read, BOUNDARY.encode()))
    with pytest.raises(RuntimeError, match="part 1 was left"):
        next(parts[0].chunks())


def test_an_error_of_the_stream_passes_through_and_stays_an_error() -> None:
    def read(size: int) -> bytes:
        if pieces:
            return pieces.pop(0)
        raise ConnectionResetError("gone")

    pieces = [build([b"x" * 100])[:80]]
    reader = MultipartReader(read, BOUNDARY.encode())
    with pytest.raises(ConnectionResetError):
        consume(reader)
    assert not reader.complete


def test_memory_does_not_grow_with_the_body() -> None:
    largest = 0

    def chunks() -> Iterator[bytes]:
        yield frame_part(BOUNDARY, "application/dicom")
        for _ in range(400):
            yield b"\r\n--" * 65536
        yield close_delimiter(BOUNDARY)

    pieces = chunks()
    reader = MultipartReader(lambda _: next(pieces, b""), BOUNDARY.encode())
    for part in reader:
        for piece in part.chunks():
            largest = max(largest, len(piece), len(reader._buffer))
    assert reader.complete
    assert largest <= multipart_related.READ_BYTES + 100


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (b"", TruncatedBody, "ends at byte 0, before the first part"),
        (
            b"--other\r\n\r\nx\r\n--other--\r\n",
            MalformedMultipart,
            "no delimiter in 25 bytes; is the boundary",
        ),
        (b"x" * 100_000, MalformedMultipart, "no delimiter within the first"),
        (b"--b0\r\nno colon\r\n\r\nx\r\n--b0--", MalformedMultipart, r"b'no colon' at byte 4"),
        (b"--b0\r\nA: 1\r\na: 2\r\n\r\nx\r\n--b0--", MalformedMultipart, "two a headers"),
        (b"--b0\r\nA : 1\r\n\r\nx\r\n--b0--", MalformedMultipart, "not 'Name: value'"),
        (b"--b0\r\nA: 1\n\r\n\r\nx\r\n--b0--", MalformedMultipart, "not 'Name: value'"),
        (b"--b0\r\nA: " + b"x" * 20_000 + b"\r\n\r\n", MalformedMultipart, "pass 16384 bytes"),
        (b"--b0\r\nA: " + b"x" * 20_000, MalformedMultipart, "pass 16384 bytes"),
        (b"--b0\r\nA: 1\r\n", TruncatedBody, "within the headers of the part at byte 4"),
        (b"--b0\r\n\r\nabc", TruncatedBody, "ends at byte 11, within part 1"),
        (b"--b0--\r\n" + b"x" * 100_000, MalformedMultipart, "follow the end at byte 6"),
    ],
)
def test_each_fault_is_named_with_its_place(body: bytes, error: type[Exception], message: str) -> None:
    for step in (1 << 30, 5):
        with pytest.raises(error, match=message):
            read_all(body, step)


def test_too_many_parts_are_refused() -> None:
    reader = MultipartReader(io.BytesIO(build([b"x"] * 4)).read, BOUNDARY.encode(), max_parts=3)
    with pytest.raises(MalformedMultipart, match="more than 3 parts"):
        list(reader)


def test_a_body_without_parts_is_complete() -> None:
    assert read_all(b"--b0--\r\n") == []


def test_folded_headers_are_one_value() -> None:
    ((headers, content),) = read_all(b"--b0\r\nContent-Type: application/dicom;\r\n  a=1\r\n\r\nx\r\n--b0--")
    assert headers == {"content-type": "application/dicom; a=1"}
    assert content == b"x"


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=abc', b"abc"),
        ('multipart/related;boundary="a b:c";type=application/dicom', b"a b:c"),
        ("Multipart/Related; BOUNDARY=abc", b"abc"),
        ("multipart/related; boundary=----=_Part_1/2:3,4", b"----=_Part_1/2:3,4"),
        (f"multipart/related; boundary={'x' * 70}", b"x" * 70),
        (r'multipart/related; boundary="a\"b"', b'a"b'),
    ],
)
def test_the_boundary_is_read_quoted_or_not(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/dicom",
        "application/dicom; boundary=a",
        "multipart/related",
        "multipart/related; boundary=",
        'multipart/related; boundary=""',
        'multipart/related; boundary="a "',
        f"multipart/related; boundary={'x' * 71}",
        "multipart/related; boundary=a; boundary=b",
        'multipart/related; boundary="a\rb"',
        'multipart/related; boundary="å"',
        'multipart/related; boundary="open',
    ],
)
def test_a_content_type_without_a_usable_boundary_is_refused(content_type: str) -> None:
    with pytest.raises(MissingBoundary):
        boundary_of(content_type)


def test_what_we_write_the_common_client_reads() -> None:
    boundary = new_boundary()
    contents = [b"\r\n--" + boundary[:-1].encode() + bytes([index]) * 1000 for index in range(3)]
    body = b"".join(
        frame_part(
            boundary, "application/dicom; transfer-syntax=1.2", content_location="/a", first=index == 0
        )
        + content
        for index, content in enumerate(contents)
    ) + close_delimiter(boundary)
    assert [data for _, data in read_all(body, boundary=boundary)] == contents

    response = requests.Response()
    response.raw = HTTPResponse(io.BytesIO(body), preload_content=False)
    response.headers["content-type"] = f'multipart/related; type="application/dicom"; boundary={boundary}'
    client = DICOMwebClient("http://localhost")
    assert list(client._decode_multipart_message(response, stream=False)) == contents


def test_header_values_cannot_break_out_of_their_line() -> None:
    with pytest.raises(ValueError, match="line end"):
        frame_part("b", "application/dicom", content_location="/a\r\nX: y")


def test_boundaries_do_not_repeat() -> None:
    made = {new_boundary() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(boundary) for boundary in made} == {32}
