"""Headers held against pydicom, over every sample file at hand."""

from pathlib import Path

import orjson
import pytest

from registry.wire.dicom_json import build_bulk_data_prefix
from repository.header.fallback import read_leniently
from repository.header.meta import find_meta, read_meta
from repository.header.model import Findings
from repository.header.strict import Scan
from repository.part10 import Header, Part10Error, read_header
from tests.repository.dicom_files import (
    list_packaged_files,
    list_shared_files,
    normalise,
    read_with_pydicom,
)


def compare(paths: tuple[Path, ...]) -> dict[str, int]:
    counts = dict.fromkeys(("strict", "pydicom", "refused", "unreadable"), 0)
    differing = []
    for path in paths:
        data = path.read_bytes()
        try:
            header = read_header(data)
        except Part10Error:
            counts["refused"] += 1
            continue
        counts[header.parsed_by] += 1
        try:
            expected = read_with_pydicom(data)
        except (ValueError, NotImplementedError):
            counts["unreadable"] += 1
            continue
        if any("trailing bytes" in warning for warning in header.warnings):
            # pydicom takes garbage behind the pixel data for elements.
            expected = {key: element for key, element in expected.items() if key <= "7FE00010"}
        if normalise(header.attributes) != normalise(expected):
            differing.append(path.name)
        assert orjson.loads(header.json) == header.attributes
        assert list(header.attributes) == sorted(header.attributes)
    assert differing == []
    return counts


def test_packaged_files_read_as_pydicom_reads_them():
    counts = compare(list_packaged_files())
    assert counts["strict"] >= 50
    assert counts["unreadable"] <= 3


@pytest.mark.skipif(not list_shared_files(), reason="the sample data is not at hand")
def test_shared_files_read_as_pydicom_reads_them():
    counts = compare(list_shared_files())
    assert counts["strict"] >= 700
    assert counts["unreadable"] <= 4


def test_strict_and_lenient_readers_agree():
    for path in list_packaged_files():
        data = path.read_bytes()
        try:
            header = read_header(data)
        except Part10Error:
            continue
        if header.parsed_by == "strict" and header.transfer_syntax_uid not in DEFLATED:
            again = read_lenient_document(data, header)
            assert again == header.json, path.name


DEFLATED = ("1.2.840.10008.1.2.1.99",)


def read_lenient_document(data: bytes, header: Header) -> bytes:
    findings = Findings()
    meta = read_meta(data, find_meta(data), findings)
    is_implicit = header.transfer_syntax_uid == "1.2.840.10008.1.2"
    scan = Scan(data, len(data), findings)
    attributes = read_leniently(scan, meta.data_set_offset, is_implicit=is_implicit, is_little_endian=True)
    prefix = build_bulk_data_prefix(
        "/dicom-web", header.study_instance_uid, header.series_instance_uid, header.sop_instance_uid
    )
    for element, bulk_path, *_ in findings.bulk:
        element["BulkDataURI"] = prefix + bulk_path
    return orjson.dumps(attributes)
