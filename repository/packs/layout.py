"""What lies where in a pack: preamble, part headers, epilogue; the bytes of each and their meaning."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson
import xxhash
from ulid import ULID

from registry.wire.multipart_related import close_delimiter, frame_part, new_boundary

FORMAT_VERSION = 1
BLOCK_BYTES = 256 * 1024
MAX_PREAMBLE_BYTES = 64 * 1024
MAGIC = b"SAMSYNP1"

_FOOTER = struct.Struct(">QQ8s")  # length of the epilogue, xxh3-64 of the epilogue before the footer, magic
FOOTER_BYTES = _FOOTER.size
_SUM_BYTES = 8
_MAX_UID_LENGTH = 64
_CONTENT_TYPE = "application/dicom; transfer-syntax="


class InvalidPack(ValueError):
    """The bytes are not a complete pack of this format; the message says which part of it is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPreamble:
    """Who brought what: the first line, so that a pack without a database still says where it belongs.

    `department` is the HSA id of the source department and `issuer` the assigning authority of its patient
    numbers; both may be unknown. `boundary` is never sent to anyone. `compacted` packs hold nothing that did
    not lie in older packs before. `ae_title` is there when the client called by DIMSE.
    """

    key: str
    study_instance_uid: str
    department: str | None
    issuer: str | None
    client: str
    received_at: datetime
    boundary: str = field(default_factory=new_boundary)
    format_version: int = FORMAT_VERSION
    compacted: bool = False
    ae_title: str = ""


@dataclass(frozen=True, slots=True)
class PackedInstance:
    """Where one instance lies: `offset` and `length` of its PS3.10 bytes, from the start of the pack.

    `sha256` is over the bytes from offset 128 of the instance on, or over all when it has no file preamble.
    """

    sop_instance_uid: str
    series_instance_uid: str
    offset: int
    length: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Trailer:
    """What the epilogue says. A caller may keep it in a cache: a pack never changes.

    `data_bytes` is the length of everything before the epilogue; `block_sums` holds an xxh3-64 for every
    `block_bytes` of it, the last block may be shorter.
    """

    key: str
    boundary: str
    data_bytes: int
    block_bytes: int
    block_sums: tuple[int, ...]
    instances: tuple[PackedInstance, ...]


def new_pack_key() -> str:
    """Make the key of a new pack: time-ordered, unguessable, spread over 1,024 folders."""
    identifier = str(ULID()).lower()
    return f"packs/{identifier[-2:]}/{identifier}.pack"


def encode_preamble(preamble: PackPreamble) -> bytes:
    """Write the preamble as one line of JSON, which escapes line ends: no text in it is a boundary."""
    return orjson.dumps(
        {
            "format_version": preamble.format_version,
            "key": preamble.key,
            "boundary": preamble.boundary,
            "study_instance_uid": preamble.study_instance_uid,
            "department": preamble.department,
            "issuer": preamble.issuer,
            "client": preamble.client,
            "received_at": preamble.received_at.isoformat(),
            "compacted": preamble.compacted,
            **({"ae_title": preamble.ae_title} if preamble.ae_title else {}),
        }
    )


def decode_preamble(head: bytes) -> PackPreamble:
    """Read the preamble from the first bytes of a pack; raises `InvalidPack`."""
    line, end, _ = head.partition(b"\r\n")
    if not end:
        raise InvalidPack(f"no preamble line within the first {len(head)} bytes")
    try:
        fields = orjson.loads(line)
        _check_version(fields["format_version"])
        received_at = datetime.fromisoformat(fields.pop("received_at"))
        return PackPreamble(received_at=received_at, **fields)
    except InvalidPack:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InvalidPack(f"the preamble line is not what the format says: {error}") from error


def encode_part_header(boundary: str, transfer_syntax_uid: str) -> bytes:
    """Write delimiter and headers of a part, always as long: the UID is padded with spaces to 64.

    The transfer syntax is known only after the part was written; then the header is written over.
    """
    if len(transfer_syntax_uid) > _MAX_UID_LENGTH or not transfer_syntax_uid.isascii():
        raise ValueError(
            f"transfer syntax UID {transfer_syntax_uid!r} is longer than 64 characters or no ASCII"
        )
    return frame_part(boundary, _CONTENT_TYPE + transfer_syntax_uid.ljust(_MAX_UID_LENGTH))


def sum_block(*pieces: bytes | bytearray | memoryview) -> int:
    """Compute the checksum of one block, given in one piece or several: xxh3-64, cheaper than copying the block."""
    if len(pieces) == 1:
        return xxhash.xxh3_64_intdigest(pieces[0])
    whole = xxhash.xxh3_64()
    for piece in pieces:
        whole.update(piece)
    return whole.intdigest()


def encode_epilogue(
    preamble: PackPreamble, data_bytes: int, block_sums: Sequence[int], instances: Sequence[PackedInstance]
) -> bytes:
    """Write index line, block sums and footer."""
    index = orjson.dumps(
        {
            "format_version": preamble.format_version,
            "key": preamble.key,
            "boundary": preamble.boundary,
            "data_bytes": data_bytes,
            "block_bytes": BLOCK_BYTES,
            "instances": [_instance_to_json(instance) for instance in instances],
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
    body = index + struct.pack(f">{len(block_sums)}Q", *block_sums)
    return body + _FOOTER.pack(len(body) + FOOTER_BYTES, sum_block(body), MAGIC)


def read_footer(footer: bytes, size_bytes: int) -> int:
    """Tell the length of the epilogue of a pack of `size_bytes` from its last bytes; raises `InvalidPack`."""
    if len(footer) < FOOTER_BYTES:
        raise InvalidPack(f"{size_bytes} bytes are too few for a pack")
    epilogue_bytes, _, magic = _FOOTER.unpack(footer[-FOOTER_BYTES:])
    if magic != MAGIC:
        raise InvalidPack("the last bytes are not the pack's magic; it was never finished, or cut")
    if not FOOTER_BYTES < epilogue_bytes < size_bytes:
        raise InvalidPack(f"an epilogue of {epilogue_bytes} bytes does not fit into {size_bytes}")
    return int(epilogue_bytes)


def decode_epilogue(epilogue: bytes, size_bytes: int) -> Trailer:
    """Read the epilogue of a pack of `size_bytes`; raises `InvalidPack`."""
    body = epilogue[:-FOOTER_BYTES]
    _, body_sum, _ = _FOOTER.unpack(epilogue[-FOOTER_BYTES:])
    if sum_block(body) != body_sum:
        raise InvalidPack("the epilogue does not have the checksum that its footer says")
    line, _, sums = body.partition(b"\n")
    try:
        fields = orjson.loads(line)
        _check_version(fields["format_version"])
        trailer = Trailer(
            key=fields["key"],
            boundary=fields["boundary"],
            data_bytes=fields["data_bytes"],
            block_bytes=fields["block_bytes"],
            block_sums=struct.unpack(f">{len(sums) // _SUM_BYTES}Q", sums),
            instances=tuple(_instance_from_json(instance) for instance in fields["instances"]),
        )
    except InvalidPack:
        raise
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise InvalidPack(f"the index is not what the format says: {error}") from error
    _check_trailer(trailer, size_bytes - len(epilogue))
    return trailer


def _check_version(format_version: object) -> None:
    if format_version != FORMAT_VERSION:
        raise InvalidPack(f"pack format version {format_version!r} is not {FORMAT_VERSION}")


def _check_trailer(trailer: Trailer, data_bytes: int) -> None:
    if trailer.data_bytes != data_bytes:
        raise InvalidPack(f"the index speaks of {trailer.data_bytes} bytes, {data_bytes} lie before it")
    if len(trailer.block_sums) != -(-data_bytes // trailer.block_bytes):
        raise InvalidPack(f"{len(trailer.block_sums)} block sums for {data_bytes} bytes")
    close_at = data_bytes - len(close_delimiter(trailer.boundary))
    for instance in trailer.instances:
        if not 0 <= instance.offset <= instance.offset + instance.length <= close_at:
            raise InvalidPack(f"instance {instance.sop_instance_uid} lies outside of the pack")


def _instance_to_json(instance: PackedInstance) -> dict[str, str | int]:
    return {
        "sop_instance_uid": instance.sop_instance_uid,
        "series_instance_uid": instance.series_instance_uid,
        "offset": instance.offset,
        "length": instance.length,
        "sha256": instance.sha256.hex(),
    }


def _instance_from_json(fields: dict[str, str | int]) -> PackedInstance:
    return PackedInstance(
        sop_instance_uid=str(fields["sop_instance_uid"]),
        series_instance_uid=str(fields["series_instance_uid"]),
        offset=int(fields["offset"]),
        length=int(fields["length"]),
        sha256=bytes.fromhex(str(fields["sha256"])),
    )
