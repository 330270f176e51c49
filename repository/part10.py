"""The header of one PS3.10 file: identity, DICOM JSON, where pixels and bulk values lie.

A strict reader of our own does the work; what it is not sure of, pydicom reads within limits. Nothing here
touches a database or a disk.

Standard: PS3.10 7, PS3.18 Annex F
"""

import mmap
from dataclasses import replace
from operator import attrgetter
from typing import Any, Literal

import orjson

from registry.wire.dicom_json import build_bulk_data_prefix
from repository import file_meta
from repository.header.checks import check_directory, check_distinct, check_meta, check_plausibility, read_uid
from repository.header.deflate import inflate_data_set
from repository.header.errors import (
    Part10Error,
    StrictnessDoubt,
    TruncatedDataSet,
    UnknownTransferSyntax,
    UnreadableDataSet,
)
from repository.header.fallback import read_leniently
from repository.header.fragments import Buffer
from repository.header.meta import (
    PREAMBLE_BYTES,
    FileMeta,
    check_transfer_syntax,
    find_meta,
    is_known_transfer_syntax,
    read_meta,
)
from repository.header.model import BulkValue, Findings, Header, PixelElement
from repository.header.strict import Scan, read_tail, read_top_level

__all__ = ["BulkValue", "Header", "Part10Error", "PixelElement", "complete_file", "read_header"]

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
_DEFLATED = frozenset(("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"))


def read_header(
    buffer: Buffer | mmap.mmap, *, base_path: str = "/dicom-web", free_elements: int = 0
) -> Header:
    """Read the header of one whole PS3.10 file.

    Parameters
    ----------
    buffer
        From the preamble to the end of the file. Pixel data is not copied.
    base_path
        What the BulkDataURIs begin with; they are relative to the server.
    free_elements
        How many elements a file may have whatever its size, where that is not the usual number.

    Raises
    ------
    Part10Error
        One of its subclasses, if the file cannot be stored; `failure_reason` and the message say why.

    Standard: PS3.18 F.2
    """
    if isinstance(buffer, bytes):
        return _read(buffer, base_path, free_elements)
    with memoryview(buffer) as view, view.cast("B") as flat:
        return _read(flat, base_path, free_elements)


def complete_file(buffer: Buffer) -> bytes:
    """Return the PS3.10 file for a data set that came without preamble or file meta.

    Parameters
    ----------
    buffer
        What `read_header` refused with MissingFileMeta.

    Raises
    ------
    Part10Error
        If the data set cannot be stored anyway.

    Standard: PS3.10 7.1
    """
    data = bytes(buffer)
    if data[:4] == b"DICM":
        return bytes(PREAMBLE_BYTES) + data
    if data[:2] == b"\x02\x00":
        return bytes(PREAMBLE_BYTES) + b"DICM" + data
    findings = Findings()
    transfer_syntax_uid = _guess_transfer_syntax(data, 0, findings)
    scan = Scan(data, len(data), findings)
    attributes, findings, _ = _read_attributes(scan, 0, transfer_syntax_uid)
    check_directory("", attributes)
    sop_class_uid = read_uid(attributes, "00080016", "SOP Class UID", findings)
    sop_instance_uid = read_uid(attributes, "00080018", "SOP Instance UID", findings)
    named = ((0x00020002, "UI", sop_class_uid.encode()), (0x00020003, "UI", sop_instance_uid.encode()))
    return file_meta.encode_file_meta(file_meta.FileMeta(named, 0), transfer_syntax_uid) + data


def _read(view: Buffer, base_path: str, free_elements: int) -> Header:
    findings = Findings()
    meta = read_meta(view, find_meta(view), findings)
    check_directory(meta.media_storage_sop_class_uid, {})
    uid = meta.transfer_syntax_uid
    if not uid:
        uid = _guess_transfer_syntax(view, meta.data_set_offset, findings)
    check_transfer_syntax(uid)
    if uid in _DEFLATED:
        inflated, total = inflate_data_set(view, meta.data_set_offset)
        scan = Scan(inflated, total, findings, is_addressable=False, free_elements=free_elements)
        offset = 0
    else:
        scan = Scan(view, len(view), findings, free_elements=free_elements)
        offset = meta.data_set_offset
    attributes, findings, parsed_by = _read_attributes(scan, offset, uid)
    check_directory(meta.media_storage_sop_class_uid, attributes)
    return _build_header(meta, uid, attributes, findings, base_path, parsed_by)


def _guess_transfer_syntax(view: Buffer, offset: int, findings: Findings) -> str:
    findings.warn("Transfer Syntax UID (0002,0010) is missing: taken from the look of the data set")
    start = bytes(view[offset : offset + 6])
    if start[4:6].isalpha() and start[4:6].isupper():
        return EXPLICIT_BIG if start[0] == 0 and start[1] else EXPLICIT_LITTLE
    return IMPLICIT_LITTLE


def _read_attributes(
    scan: Scan, offset: int, transfer_syntax_uid: str
) -> tuple[dict[str, Any], Findings, Literal["strict", "pydicom"]]:
    """Read the data set strictly, else leniently."""
    is_implicit = transfer_syntax_uid == IMPLICIT_LITTLE
    is_little_endian = transfer_syntax_uid != EXPLICIT_BIG
    so_far = dict(scan.findings.warnings)
    is_known = is_known_transfer_syntax(transfer_syntax_uid)
    if not is_known:
        scan.findings.warn(
            "Transfer Syntax UID (0002,0010) is unknown: kept as it is, not shown or converted"
        )
    if is_little_endian:
        try:
            attributes, end = read_top_level(scan, offset, is_implicit=is_implicit)
            read_tail(scan, attributes, end, is_implicit=is_implicit)
        except (StrictnessDoubt, TruncatedDataSet, UnreadableDataSet) as doubt:
            if not is_known:
                raise UnknownTransferSyntax(
                    f"Transfer Syntax UID {transfer_syntax_uid} is unknown, the data set not Explicit VR LE"
                ) from doubt
        else:
            return attributes, scan.findings, "strict"
    again = replace(scan, findings=Findings(so_far), inline_bytes=0)
    attributes = read_leniently(again, offset, is_implicit=is_implicit, is_little_endian=is_little_endian)
    return attributes, again.findings, "pydicom"


def _build_header(
    meta: FileMeta,
    transfer_syntax_uid: str,
    attributes: dict[str, Any],
    findings: Findings,
    base_path: str,
    parsed_by: Literal["strict", "pydicom"],
) -> Header:
    sop_class_uid = read_uid(attributes, "00080016", "SOP Class UID", findings)
    instance_uid = read_uid(attributes, "00080018", "SOP Instance UID", findings)
    try:
        study_uid = read_uid(attributes, "0020000D", "Study Instance UID", findings)
        series_uid = read_uid(attributes, "0020000E", "Series Instance UID", findings)
    except Part10Error as error:
        error.sop_class_uid, error.sop_instance_uid = sop_class_uid, instance_uid
        raise
    check_meta(meta, sop_class_uid, instance_uid, findings)
    check_distinct({"Study": study_uid, "Series": series_uid, "SOP": instance_uid}, findings)
    check_plausibility(attributes, findings.pixel, transfer_syntax_uid, findings)
    prefix = build_bulk_data_prefix(base_path, study_uid, series_uid, instance_uid)
    for element, path, *_ in findings.bulk:
        element["BulkDataURI"] = prefix + path
    placed = sorted(
        (BulkValue(path, at, length, vr) for _, path, at, length, vr in findings.bulk if at is not None),
        key=attrgetter("offset"),
    )
    return Header(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=instance_uid,
        study_instance_uid=study_uid,
        series_instance_uid=series_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        attributes=attributes,
        json=orjson.dumps(attributes),
        pixel=findings.pixel,
        bulk_values=tuple(placed),
        has_unaddressed_bulk=len(placed) < len(findings.bulk),
        warnings=tuple(findings.warnings),
        parsed_by=parsed_by,
        contradicts_sop_class=findings.contradicts_sop_class,
    )
