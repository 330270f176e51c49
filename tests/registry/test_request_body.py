"""Bodies of requests: how much arrives, how much was announced, and where reading stops."""

import io
from typing import Any

import pytest

from registry.wire.request_body import BodyTooLarge, InvalidContentLength, RequestBody, TruncatedBody


class EndlessInput(io.BytesIO):
    """The raw socket of a server that does not end its input: reading past the body would block."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if size and not data:
            raise AssertionError("read past the end of the body: this would block")
        return data


def environ(data: bytes, **extra: Any) -> dict[str, Any]:
    return {"wsgi.input": io.BytesIO(data), "wsgi.input_terminated": True, **extra}


def read_all(body: RequestBody, size: int = 7) -> bytes:
    return b"".join(iter(lambda: body.read(size), b""))


def test_an_announced_body_is_read_to_its_end_and_no_further() -> None:
    body = RequestBody({"wsgi.input": EndlessInput(b"0123456789next request"), "CONTENT_LENGTH": "10"})
    assert body.announced_bytes == 10
    assert read_all(body) == b"0123456789"
    assert body.received_bytes == 10
    assert body.read(5) == b""
    body.verify_length()


def test_a_chunked_body_has_no_announced_length() -> None:
    body = RequestBody(environ(b"0123456789", HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="3"))
    assert body.announced_bytes is None
    assert read_all(body) == b"0123456789"
    body.verify_length()
    assert body.received_bytes == 10


def test_a_body_without_any_length_is_what_an_ending_server_gives() -> None:
    assert read_all(RequestBody(environ(b"http/2"))) == b"http/2"
    body = RequestBody({"wsgi.input": EndlessInput(b"other request"), "CONTENT_LENGTH": ""})
    assert body.announced_bytes == 0
    assert body.read(5) == b""
    body.verify_length()


def test_a_sender_that_vanished_is_noticed() -> None:
    body = RequestBody(environ(b"01234", CONTENT_LENGTH="10"))
    assert read_all(body) == b"01234"
    with pytest.raises(TruncatedBody, match="5 of 10 announced bytes"):
        body.verify_length()


def test_a_body_that_announces_too_much_is_refused_unread() -> None:
    stream = io.BytesIO(b"0123456789")
    with pytest.raises(BodyTooLarge, match="10 bytes long, at most 9"):
        RequestBody({"wsgi.input": stream, "CONTENT_LENGTH": "10"}, max_bytes=9)
    assert stream.tell() == 0


def test_a_chunked_body_is_stopped_at_the_limit() -> None:
    body = RequestBody(environ(b"x" * 100, HTTP_TRANSFER_ENCODING="chunked"), max_bytes=20)
    with pytest.raises(BodyTooLarge, match="longer than the 20 bytes"):
        read_all(body)
    assert body.received_bytes == 21
    body = RequestBody(environ(b"x" * 20, HTTP_TRANSFER_ENCODING="chunked"), max_bytes=20)
    assert len(read_all(body)) == 20


@pytest.mark.parametrize("text", ["-1", "1.5", "ten", "0x10", "1_0", "٣", "1 2", "9" * 30, "+5"])
def test_a_length_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidContentLength, match="not a number of bytes"):
        RequestBody(environ(b"", CONTENT_LENGTH=text))
