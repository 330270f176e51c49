"""The lenient reader: pydicom, with a budget.

It reads what the strict reader does not: big endian, odd encodings, values that do not fit their VR. pydicom
reads through a file object that counts, so that neither a great many elements nor deep nesting cost more than
about a second; large values are left where they lie.

Standard: PS3.18 F.2
"""

import binascii
import struct
import threading
import warnings
from collections.abc import Callable
from typing import Any

from pydicom.charset import convert_encodings, python_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_sequence
from pydicom.hooks import hooks
from pydicom.tag import BaseTag

from repository.header.budget import HEAD_BYTES, CountingFile, Job
from repository.header.errors import (
    ContradictingAttributes,
    HeaderTooLarge,
    MisdeclaredTransferSyntax,
    NestingTooDeep,
    Part10Error,
    StrictnessDoubt,
    TruncatedDataSet,
    UnreadableDataSet,
)
from repository.header.fragments import UNDEFINED, find_encapsulated_end
from repository.header.lenient_values import convert_element
from repository.header.model import Findings, PixelElement
from repository.header.strict import (
    INLINE_BINARY_BYTES,
    MAX_DEPTH,
    PIXEL_TAGS,
    TRAILING_PADDING,
    Scan,
    warn_overlong,
)
from repository.header.text import TextDecoder, default_decoder
from repository.header.values import BINARY_VRS, LONG_VRS, LONGEST, READERS
from repository.header.vr import LUT_DESCRIPTORS

_DEFER_BYTES = 64 << 10
# Numbers whose bytes are in the order of the transfer syntax.
_ORDERED_VRS = frozenset(("AT", "FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))
_CHARACTER_SET = 0x00080005
_IDENTIFYING = frozenset((0x00080016, 0x00080018, 0x00100020, 0x0020000D, 0x0020000E))

# pydicom reports through the warnings module, whose filters belong to the whole process.
_one_at_a_time = threading.Lock()


def read_leniently(scan: Scan, offset: int, *, is_implicit: bool, is_little_endian: bool) -> dict[str, Any]:
    """Read the data set at `offset` with pydicom; what was found on the way goes into `scan.findings`.

    Raises
    ------
    Part10Error
        A subclass; every failure of pydicom ends in one.
    """
    _check_declaration(scan, offset, is_implicit=is_implicit, is_little_endian=is_little_endian)
    job = Job(scan, is_little_endian, scan.findings, default_decoder(scan.findings))
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _read_top_level(job, offset, is_implicit)
        except Part10Error:
            raise
        except Exception as error:
            if _is_from_recursion(error):
                raise NestingTooDeep("sequences are nested too deeply to be read") from error
            if job.is_spent:
                raise HeaderTooLarge("the header is too large for a data set of unusual encoding") from error
            raise _describe_failure(error) from error


def _describe_failure(error: Exception) -> Part10Error:
    if isinstance(error, OSError | EOFError):
        # The bytes are in memory: what pydicom cannot get any more of is the data set.
        return TruncatedDataSet(
            "the data set ends within a sequence: an item or delimiter is missing, or a length is wrong"
        )
    return UnreadableDataSet(f"the data set cannot be read ({type(error).__name__})")


def _check_declaration(scan: Scan, offset: int, *, is_implicit: bool, is_little_endian: bool) -> None:
    start = bytes(scan.buffer[offset : offset + 6])
    if len(start) < 6:
        raise TruncatedDataSet("the data set is empty")
    looks_explicit = start[4:6].isalpha() and start[4:6].isupper()
    if looks_explicit == is_implicit:
        found = "Explicit" if looks_explicit else "Implicit"
        raise MisdeclaredTransferSyntax(
            f"the data set is in {found} VR, which is not what Transfer Syntax UID (0002,0010) says"
        )
    if is_little_endian == (start[0] == 0 and start[1] != 0):
        raise MisdeclaredTransferSyntax(
            "the data set's byte order is not what Transfer Syntax UID (0002,0010) says"
        )


def _is_from_recursion(error: BaseException | None) -> bool:
    """Tell whether the stack ran out underneath: pydicom turns that into other errors on the way up."""
    while error is not None and not isinstance(error, RecursionError):
        error = error.__cause__ or error.__context__
    return error is not None


def _read_top_level(job: Job, offset: int, is_implicit: bool) -> dict[str, Any]:
    end = len(job.scan.buffer)
    file = CountingFile(job, offset, end)
    elements = _read_elements(job, file, is_implicit, stop=_is_pixel)
    pixel: tuple[str, dict[str, Any]] | None = None
    if file.tell() < end:
        pixel = _read_pixel(job, file, is_implicit)
    if file.tell() < end:
        elements = {**_read_tail(job, file, is_implicit), **elements}
    data_set = _make_data_set(elements, is_implicit, job)
    if job.cut_offset is not None:
        _check_rest(job, job.cut_offset)
    attributes = _convert_data_set(job, data_set, "", 0)
    if pixel:
        attributes[pixel[0]] = pixel[1]
    return {key: attributes[key] for key in sorted(attributes)}


def _is_pixel(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) in PIXEL_TAGS


Elements = dict[BaseTag, Any]


def _read_elements(
    job: Job, file: CountingFile, is_implicit: bool, stop: Callable[[BaseTag, str | None, int], bool] | None
) -> Elements:
    """Read the elements of the top level; check order, duplicates and the end."""
    elements: Elements = {}
    last = -1
    generator = data_element_generator(file, is_implicit, job.is_little_endian, stop, _DEFER_BYTES)
    for raw in generator:
        if isinstance(raw, RawDataElement) and raw.length != UNDEFINED:
            left = job.scan.total - raw.value_tell
            if raw.length > left:
                raise TruncatedDataSet(f"{raw.tag} announces {raw.length} bytes, {left} are left")
        if raw.tag in elements:
            _check_duplicate(job, elements[raw.tag], raw)
        elif raw.tag < last:
            job.findings.warn("elements are not in the order of their tags")
        last = int(raw.tag)
        elements[raw.tag] = raw
    return elements


def _check_duplicate(job: Job, first: Any, second: Any) -> None:
    if int(second.tag) in _IDENTIFYING and first.value != second.value:
        raise ContradictingAttributes(f"{second.tag} is there twice with different values")
    job.findings.warn(f"{second.tag} is there twice, the last one counts")


def _read_pixel(job: Job, file: CountingFile, is_implicit: bool) -> tuple[str, dict[str, Any]]:
    """Read the pixel element the file stands before and move behind it."""
    buffer, position, scan = job.scan.buffer, file.tell(), job.scan
    order = "<" if job.is_little_endian else ">"
    if len(buffer) - position < HEAD_BYTES:
        raise UnreadableDataSet(f"the data set breaks off at byte {position}")
    group, element, vr_bytes, short = struct.unpack_from(f"{order}HH2sH", buffer, position)
    tag = group << 16 | element
    if tag not in PIXEL_TAGS:
        raise UnreadableDataSet(f"the data set breaks off at byte {position}")
    vr = "OW" if is_implicit else vr_bytes.decode("latin-1")
    length, value_offset = short, position + 8
    if is_implicit or vr in LONG_VRS:
        at = position + (4 if is_implicit else 8)
        length = struct.unpack_from(f"{order}I", buffer, at)[0]
        value_offset = at + 4
    if length == UNDEFINED:
        value_end = find_encapsulated_end(buffer, value_offset, len(buffer))
        file.seek(value_end + 8)
    else:
        value_end = value_offset + length
        if value_end > scan.total:
            left = scan.total - value_offset
            raise TruncatedDataSet(f"({tag:08X}) announces {length} bytes of pixel data, {left} are left")
        file.seek(value_end)
    json_element = {"vr": vr if vr in BINARY_VRS else "OW"}
    at_offset = value_offset if scan.is_addressable else None
    known_length = None if length == UNDEFINED else length
    job.findings.pixel = PixelElement(f"{tag:08X}", json_element["vr"], at_offset, known_length)
    served = at_offset if job.is_little_endian else None
    job.findings.add_bulk(json_element, f"{tag:08X}", served, value_end - value_offset)
    return f"{tag:08X}", json_element


def _check_rest(job: Job, position: int) -> None:
    rest = bytes(job.scan.buffer[position:])
    if rest.strip(b"\0"):
        raise TruncatedDataSet(f"the file ends within an element header at byte {position}")
    job.findings.warn(f"{len(rest)} trailing bytes after the data set are no elements")


def _read_tail(job: Job, file: CountingFile, is_implicit: bool) -> Elements:
    """Read what follows the pixel data; bytes that make no sense there become a warning."""
    start = file.tell()
    try:
        tail = _read_elements(job, file, is_implicit, None)
        if file.tell() == len(job.scan.buffer) and all(tag > 0x7FE00010 for tag in tail):
            return tail
    except (Part10Error, ValueError, OSError, EOFError, struct.error):
        pass
    job.findings.warn(f"{job.scan.total - start} trailing bytes after the data set are no elements")
    return {}


def _make_data_set(elements: Elements, is_implicit: bool, job: Job) -> Dataset:
    data_set = Dataset(elements)
    encodings: list[str] = ["iso8859"]
    if BaseTag(_CHARACTER_SET) in elements:
        terms = data_set[_CHARACTER_SET].value
        encodings = _find_encodings(terms, job.findings)
    job.decoder = TextDecoder(
        tuple(encodings), job.findings, is_default=BaseTag(_CHARACTER_SET) not in elements
    )
    data_set.set_original_encoding(is_implicit, job.is_little_endian, encodings)
    return data_set


def _find_encodings(terms: Any, findings: Findings) -> list[str]:
    listed = [terms] if isinstance(terms, str) or terms is None else list(terms)
    if any((term or "") not in python_encoding for term in listed):
        findings.warn("Specific Character Set (0008,0005) has an unknown term")
    try:
        return list(convert_encodings(listed)) or ["iso8859"]
    except (LookupError, ValueError):
        return ["iso8859"]


def _convert_data_set(job: Job, data_set: Dataset, path: str, depth: int) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    elements = dict(data_set._dict)  # as they were read: looking one up converts others too
    for tag in sorted(elements):
        number = int(tag)
        if number & 0xFFFF and number != TRAILING_PADDING and number >> 16 > 2:
            attributes[f"{number:08X}"] = _convert(job, data_set, elements[tag], path, depth)
    return attributes


def _convert(job: Job, data_set: Dataset, raw: Any, path: str, depth: int) -> dict[str, Any]:
    tag = raw.tag
    key = f"{int(tag):08X}"
    if tag == _CHARACTER_SET:
        return {"vr": "CS", "Value": ["ISO_IR 192"]}
    if not isinstance(raw, RawDataElement):
        data_set._set_pixel_representation(raw)
        return _convert_sequence(job, raw, f"{path}{key}", depth)
    vr = _find_vr(raw, data_set)
    if vr == "SQ":
        return _convert_raw_sequence(job, data_set, raw, f"{path}{key}", depth)
    offset = raw.value_tell
    value = raw.value if raw.value is not None else _slice(job, offset, raw.length)
    if vr in BINARY_VRS or " or " in vr:
        vr = _settle_binary(data_set, tag, raw, vr) if " or " in vr else vr
        if vr in BINARY_VRS:
            return _convert_binary(job, vr, f"{path}{key}", value, offset, raw)
    return _convert_value(job, data_set, raw._replace(value=value), vr, f"{path}{key}", offset)


def _find_vr(raw: RawDataElement, data_set: Dataset) -> str:
    found: dict[str, Any] = {}
    hooks.raw_element_vr(raw, found, ds=data_set)
    return str(found["VR"])


def _slice(job: Job, offset: int, length: int) -> bytes:
    if not length or length == UNDEFINED:
        return b""
    job.read_bytes -= length
    if job.read_bytes < 0:
        raise HeaderTooLarge("more values outside the pixel data than the lenient reader takes")
    return bytes(job.scan.buffer[offset : offset + length])


def _settle_binary(data_set: Dataset, tag: BaseTag, raw: RawDataElement, vr: str) -> str:
    if raw.value is None:
        return "OW"
    try:
        settled = str(data_set[tag].VR)
    except (AttributeError, ValueError, TypeError, struct.error):
        settled = vr
    return "OW" if "OW" in settled else "US" if settled == "US or SS" else settled


def _convert_binary(
    job: Job, vr: str, path: str, value: bytes, offset: int, raw: RawDataElement
) -> dict[str, Any]:
    element: dict[str, Any] = {"vr": vr}
    length = len(value)
    if length > INLINE_BINARY_BYTES or (length and int(raw.tag) in PIXEL_TAGS):
        lies_there = bytes(job.scan.buffer[offset : offset + length]) == value
        served = lies_there and job.scan.is_addressable and (job.is_little_endian or vr in ("OB", "UN"))
        job.findings.add_bulk(element, path, offset if served else None, length)
    elif length:
        element["InlineBinary"] = binascii.b2a_base64(value, newline=False).decode("ascii")
    return element


def _convert_value(
    job: Job, data_set: Dataset, raw: RawDataElement, vr: str, path: str, offset: int
) -> dict[str, Any]:
    try:
        vr, values = _read_values(job, data_set, raw, vr)
    except Part10Error:
        raise
    except Exception:  # noqa: BLE001 - pydicom raises all kinds; the bytes are kept as they are
        job.findings.warn(f"{raw.tag} has a value that does not fit its VR: kept as bytes")
        return _convert_binary(job, "UN", path, raw.value or b"", offset, raw)
    if vr in LONGEST:
        warn_overlong(job.findings, vr, values)
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _read_values(job: Job, data_set: Dataset, raw: RawDataElement, vr: str) -> tuple[str, list[Any]]:
    """Read as the strict reader does where the bytes allow it, else let pydicom convert."""
    if vr in READERS and (job.is_little_endian or vr not in _ORDERED_VRS):
        try:
            values = READERS[vr](raw.value, job.decoder) if raw.value else []
        except StrictnessDoubt:
            pass
        else:
            if int(raw.tag) in LUT_DESCRIPTORS and values and isinstance(values[0], int):
                values[0] &= 0xFFFF
            return vr, values
    data_set[raw.tag] = raw
    return convert_element(data_set[raw.tag], job.decoder)


def _convert_raw_sequence(
    job: Job, data_set: Dataset, raw: RawDataElement, path: str, depth: int
) -> dict[str, Any]:
    """Parse a sequence of known length, which pydicom left as bytes."""
    offset = raw.value_tell
    if not raw.length:
        return {"vr": "SQ"}
    _check_depth(depth)
    file = CountingFile(job, offset, offset + raw.length)
    encodings = data_set.original_character_set
    sequence = read_sequence(file, raw.is_implicit_VR, job.is_little_endian, raw.length, encodings)
    element = DataElement(raw.tag, "SQ", sequence)
    data_set[raw.tag] = element
    data_set._set_pixel_representation(element)
    return _convert_sequence(job, element, path, depth)


def _check_depth(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise NestingTooDeep(f"sequences are nested deeper than {MAX_DEPTH} levels")


def _convert_sequence(job: Job, element: DataElement, path: str, depth: int) -> dict[str, Any]:
    _check_depth(depth)
    items = []
    for index, item in enumerate(element.value):
        outer, job.decoder = job.decoder, _select_item_decoder(job, item)
        items.append(_convert_data_set(job, item, f"{path}/{index}/", depth + 1))
        job.decoder = outer
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _select_item_decoder(job: Job, item: Dataset) -> TextDecoder:
    if BaseTag(_CHARACTER_SET) not in item:
        return job.decoder
    return TextDecoder(tuple(_find_encodings(item[_CHARACTER_SET].value, job.findings)), job.findings)
