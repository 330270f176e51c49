"""Instances composed from metadata: what other people's files hold comes back as it was."""

import math
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repository.bulk_parts import BulkPart
from repository.composed import compose_file
from repository.header.errors import Part10Error
from repository.json_values import UnreadableMetadata, encode_values
from repository.part10 import Header, read_header
from tests.repository.dicom_files import list_packaged_files


def read_sound(path: Path) -> tuple[bytes, Header] | None:
    try:
        data = path.read_bytes()
        header = read_header(data)
    except Part10Error:
        return None
    pixel = header.pixel
    is_plain = pixel is None or pixel.value_length is not None
    return (data, header) if is_plain and not header.has_unaddressed_bulk and not header.warnings else None


SOUND = {path.name: found for path in list_packaged_files() if (found := read_sound(path)) is not None}


@pytest.mark.parametrize("name", SOUND)
def test_a_file_taken_apart_and_put_together_says_the_same(name):
    data, header = SOUND[name]
    with tempfile.TemporaryFile() as spool:
        spool.write(data)
        spool.flush()
        parts = {value.path: value for value in header.bulk_values}

        def find_bulk(uri: str) -> list[BulkPart]:
            value = parts[uri.split("/bulkdata/")[1]]
            return [BulkPart(spool.fileno(), value.offset, value.length, "application/octet-stream")]

        composed = b"".join(compose_file(header.attributes, find_bulk))
    again = read_header(composed)
    assert again.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    assert again.warnings == ()
    assert simplify(again.attributes) == simplify(header.attributes)
    for before, after in zip(header.bulk_values, again.bulk_values, strict=True):
        assert composed[after.offset :][: after.length] == data[before.offset :][: before.length]


def simplify(value: Any) -> Any:
    """Leave out what composing changes: the character set, and a float's digits beyond those of DS."""
    if isinstance(value, dict):
        return {key: simplify(inner) for key, inner in value.items() if key != "00080005"}
    if isinstance(value, list):
        return [simplify(inner) for inner in value]
    if isinstance(value, float) and math.isfinite(value):
        return float(f"{value:.9g}")
    return value


def test_there_are_files_of_other_people_to_compare_with():
    assert len(SOUND) > 20


@given(st.floats(-1e300, 1e300))
def test_a_decimal_fits_its_vr_and_keeps_its_value(number):
    text = encode_values("00280030", "DS", [number]).decode("ascii")
    assert len(text) <= 16
    assert math.isclose(float(text), number, rel_tol=1e-8, abs_tol=1e-300)


@settings(max_examples=50)
@given(
    st.sampled_from(["US", "SL", "FD", "AT", "LO", "PN", "IS", "DS"]),
    st.lists(st.none() | st.integers() | st.text() | st.floats() | st.lists(st.none()), max_size=3),
)
def test_any_values_are_encoded_or_refused(vr, values):
    with suppress(UnreadableMetadata):
        assert isinstance(encode_values("00091001", vr, values), bytes)


def test_bulk_data_is_read_from_its_place():
    with tempfile.TemporaryFile() as spool:
        spool.write(os.urandom(10) + b"abcdef")
        spool.flush()
        part = BulkPart(spool.fileno(), 10, 6, "application/octet-stream")
        assert b"".join(part.pieces()) == part.read_head(100) == b"abcdef"
        assert b"".join(part.cut(2, 4).pieces()) == b"cd"
