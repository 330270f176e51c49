"""MLLP framing and parsing: whatever comes in whatever pieces, messages are those that were framed."""

from itertools import pairwise

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.hl7v2.escapes import Delimiters, escape, unescape
from registry.hl7v2.framing import Deframer, OversizedMessage, frame
from registry.hl7v2.message import parse
from registry.hl7v2.refusal import RefusedMessage

contents = st.binary(max_size=200).map(lambda data: data.translate(None, b"\x0b\x1c"))
garbage = st.binary(max_size=20).map(lambda data: data.translate(None, b"\x0b"))
texts = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=60)


@settings(max_examples=200, deadline=None)
@given(
    pieces=st.lists(st.tuples(garbage, contents), max_size=6),
    cuts=st.lists(st.integers(0, 1500), max_size=12),
)
def test_finds_every_message_however_it_is_cut(pieces, cuts) -> None:
    stream = b"".join(noise + frame(content) for noise, content in pieces)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    deframer = Deframer()
    found = []
    for begin, end in pairwise(edges):
        found += deframer.feed(stream[begin:end])
    assert found == [content for _, content in pieces]
    assert not deframer.is_inside


def test_begins_anew_where_a_message_was_cut_off() -> None:
    deframer = Deframer()
    assert deframer.feed(b"\x0bMSH|cut off\x0bMSH|whole\x1c\r") == [b"MSH|whole"]
    assert deframer.dropped_bytes == len(b"MSH|cut off")


def test_does_not_insist_on_the_carriage_return() -> None:
    assert Deframer().feed(b"\x0bone\x1c\x0btwo\x1c") == [b"one", b"two"]


def test_holds_no_more_than_it_is_told() -> None:
    deframer = Deframer(100)
    assert deframer.feed(frame(b"x" * 100)) == [b"x" * 100]
    with pytest.raises(OversizedMessage) as caught:
        deframer.feed(b"\x0b" + b"y" * 101)
    assert caught.value.begin == b"y" * 101


@settings(max_examples=300, deadline=None)
@given(texts)
def test_escapes_so_that_nothing_separates(text) -> None:
    marks = Delimiters()
    written = escape(text, marks)
    assert not set("|^~&") & set(written)
    assert unescape(written, marks) == text


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(max_codepoint=255, blacklist_categories=["Cc"]), max_size=60))
def test_escapes_as_another_library_does(text) -> None:
    container = hl7.parse("MSH|^~\\&|A|B\rPID|1")
    assert unescape(container.escape(text), Delimiters()) == text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a\\.br\\b", "a\nb"),
        ("a\\.sp2\\b", "a\n\nb"),
        ("\\H\\Viktigt\\N\\", "Viktigt"),
        ("\\X41C3A5\\", "Aå"),
        ("5 \\T\\ 6 \\F\\ 7", "5 & 6 | 7"),
        ("\\Zabc\\x", "x"),
        ("C:\\temp\\fil.txt", "C:\\temp\\fil.txt"),
        ("ensam \\", "ensam \\"),
    ],
)
def test_reads_escape_sequences(written, meant) -> None:
    assert unescape(written, Delimiters()) == meant


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_reads_or_refuses_whatever_comes(data) -> None:
    try:
        message = parse(b"MSH|^~\\&|" + data)
    except RefusedMessage:
        return
    assert message.header.name == "MSH"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(texts, min_size=1, max_size=4), min_size=1, max_size=5))
def test_reads_components_as_they_were_written(fields) -> None:
    marks = Delimiters()
    body = "|".join("^".join(escape(part, marks) for part in parts) for parts in fields)
    message = parse(f"MSH|^~\\&|A|B\rZZZ|{body}\r".encode())
    row = message.require("ZZZ")
    for number, parts in enumerate(fields, 1):
        for component, part in enumerate(parts, 1):
            expected = part.strip() if part != '""' else ""
            assert row.text(number, component) == expected
