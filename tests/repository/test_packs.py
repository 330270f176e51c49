"""Packs: a standard MIME reader unpacks them, a cut one is never complete, a flipped bit is never given away."""

import email
import email.policy
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repository.objects.local import LocalObjectStore
from repository.packs.layout import (
    BLOCK_BYTES,
    InvalidPack,
    PackedInstance,
    PackPreamble,
    decode_preamble,
    encode_preamble,
    new_pack_key,
)
from repository.packs.reader import CorruptBlock, PackReader, RangeOutsidePack, is_complete
from repository.packs.writer import EmptyPack, FinishedPack, PackMisuse, PackWriter

EXPLICIT = "1.2.840.10008.1.2.1"
Stored = tuple[LocalObjectStore, FinishedPack]


def make_preamble(key: str) -> PackPreamble:
    return PackPreamble(
        key=key,
        study_instance_uid="1.2.3",
        department="SE2321000016-1001",
        issuer=None,
        client="Röntgen\r\n--Östra",
        received_at=datetime(2025, 3, 1, 12, 30, tzinfo=UTC),
    )


def part10(length: int, seed: int = 0) -> bytes:
    """Something with a file preamble that is no program any more once it is stored."""
    content = hashlib.shake_128(seed.to_bytes(4, "big")).digest(length)
    return b"MZ" + b"\x90" * 126 + b"DICM" + content


def stored(data: bytes) -> bytes:
    return bytes(128) + data[128:] if data[128:132] == b"DICM" else data


def add(writer: PackWriter, data: bytes, number: int, step: int = 1 << 30) -> PackedInstance:
    writer.begin_part()
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
    assert bytes(writer.part_view()) == stored(data)
    return writer.end_part(
        sop_instance_uid=f"1.2.3.{number}", series_instance_uid="1.2.4", transfer_syntax_uid=EXPLICIT
    )


def make_pack(root: Path, contents: list[bytes], step: int = 1 << 30) -> Stored:
    store = LocalObjectStore(root)
    key = new_pack_key()
    writer = PackWriter(store.create(key), make_preamble(key))
    for number, data in enumerate(contents):
        add(writer, data, number, step)
    finished = writer.finish()
    store.sync(key)
    return store, finished


def read_back(store: LocalObjectStore, pack: FinishedPack) -> list[bytes]:
    with store.open(pack.key) as reader:
        assert reader.size_bytes == pack.size_bytes
        assert is_complete(reader)
        pack_reader = PackReader(reader)
        pack_reader.verify()
        assert pack_reader.instances == pack.instances
        return [pack_reader.read(instance.offset, instance.length) for instance in pack.instances]


@pytest.fixture
def small(tmp_path: Path) -> Stored:
    return make_pack(tmp_path, [part10(60, 1), part10(90, 2)])


def test_a_pack_gives_back_what_went_in_with_the_file_preamble_zeroed(tmp_path: Path) -> None:
    contents = [part10(size, size) for size in (0, 1, 700_000, 5, BLOCK_BYTES, 3 * BLOCK_BYTES + 17, 100)]
    store, pack = make_pack(tmp_path, contents, step=100_001)
    assert read_back(store, pack) == [stored(data) for data in contents]
    for instance, data in zip(pack.instances, contents, strict=True):
        assert instance.sha256 == hashlib.sha256(data[128:]).digest()
    assert [instance.sop_instance_uid for instance in pack.instances] == [f"1.2.3.{n}" for n in range(7)]


@pytest.mark.parametrize(
    "data", [b"", b"x" * 127, b"x" * 128, b"x" * 131, b"x" * 128 + b"DICN" + b"y" * 1000]
)
def test_bytes_without_a_file_preamble_are_kept_and_hashed_whole(tmp_path: Path, data: bytes) -> None:
    store, pack = make_pack(tmp_path, [data, part10(10)], step=50)
    assert read_back(store, pack)[0] == data
    assert pack.instances[0].sha256 == hashlib.sha256(data).digest()


def test_the_standard_library_unpacks_a_pack(tmp_path: Path) -> None:
    contents = [part10(size, size) + b"\r\n" for size in (10, 300_000, 0)]
    _, pack = make_pack(tmp_path, contents)
    raw = (tmp_path / pack.key).read_bytes()
    boundary = decode_preamble(raw).boundary
    message = email.message_from_bytes(
        f'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="{boundary}"\r\n\r\n'.encode() + raw,
        policy=email.policy.HTTP,
    )
    parts = list(message.iter_parts())
    assert [part.get_payload(decode=True) for part in parts] == [stored(data) for data in contents]
    assert {part.get_content_type() for part in parts} == {"application/dicom"}
    assert {part["content-type"].params["transfer-syntax"] for part in parts} == {EXPLICIT}
    assert (message.preamble or "").startswith('{"format_version":1,')
    assert not message.defects


def test_the_preamble_says_where_the_pack_belongs(small: Stored) -> None:
    store, pack = small
    with store.open(pack.key) as reader:
        preamble = PackReader(reader).read_preamble()
    assert preamble == replace(make_preamble(pack.key), boundary=preamble.boundary)
    assert len(preamble.boundary) == 32


def test_a_pack_cut_at_any_byte_is_not_complete(small: Stored, tmp_path: Path) -> None:
    store, pack = small
    raw = (tmp_path / pack.key).read_bytes()
    for size in range(len(raw)):
        with store.create(f"cut/{size}") as file:
            file.write(raw[:size])
        with store.open(f"cut/{size}") as reader:
            assert not is_complete(reader)
            with pytest.raises(InvalidPack):
                PackReader(reader).read_trailer()
    with store.open(pack.key) as reader:
        assert is_complete(reader)


def test_a_pack_with_bytes_behind_it_is_not_complete(small: Stored, tmp_path: Path) -> None:
    store, pack = small
    with store.create("longer") as file:
        file.write((tmp_path / pack.key).read_bytes() + b"\x00")
    with store.open("longer") as reader:
        assert not is_complete(reader)


def test_a_pack_inside_a_pack_does_not_complete_the_outer_one(small: Stored, tmp_path: Path) -> None:
    store, pack = small
    hostile = part10(0) + (tmp_path / pack.key).read_bytes()
    key = new_pack_key()
    writer = PackWriter(store.create(key), make_preamble(key))
    writer.begin_part()
    writer.write(hostile)
    assert writer.part_view()[-8:] == hostile[-8:]
    end = writer.size_bytes
    writer.write(b"x" * BLOCK_BYTES)
    writer.abandon()
    with (tmp_path / key).open("r+b") as file:
        file.truncate(end)
    with store.open(key) as reader:
        assert not is_complete(reader)


def flip_every_bit(raw: bytes, start: int, end: int) -> Iterator[bytes]:
    for index in range(start, end):
        for bit in range(8):
            yield raw[:index] + bytes([raw[index] ^ 1 << bit]) + raw[index + 1 :]


def test_every_flipped_bit_of_an_instance_is_found_before_a_byte_is_given(
    small: Stored, tmp_path: Path
) -> None:
    store, pack = small
    raw = (tmp_path / pack.key).read_bytes()
    first = pack.instances[0]
    with store.open(pack.key) as reader:
        trailer = PackReader(reader).read_trailer()
    number_of_flips = 0
    for damaged in flip_every_bit(raw, first.offset, first.offset + first.length):
        number_of_flips += 1
        (tmp_path / "damaged").write_bytes(damaged)
        with store.open("damaged") as reader:
            pieces = PackReader(reader, trailer).blocks(first.offset, first.length)
            with pytest.raises(CorruptBlock, match="block 0 of damaged"):
                next(pieces)
    assert number_of_flips == first.length * 8


def test_every_flipped_bit_of_the_epilogue_makes_the_pack_incomplete(small: Stored, tmp_path: Path) -> None:
    store, pack = small
    raw = (tmp_path / pack.key).read_bytes()
    for damaged in flip_every_bit(raw, raw.index(b"--\r\n{"), len(raw)):
        (tmp_path / "damaged").write_bytes(damaged)
        with store.open("damaged") as reader:
            assert not is_complete(reader)


def test_good_blocks_before_a_bad_one_are_given(tmp_path: Path) -> None:
    store, pack = make_pack(tmp_path, [part10(4 * BLOCK_BYTES)])
    with (tmp_path / pack.key).open("r+b") as file:
        os.pwrite(file.fileno(), b"\xff\x00\xff", 2 * BLOCK_BYTES + 5)
    instance = pack.instances[0]
    with store.open(pack.key) as reader:
        assert is_complete(reader)  # the epilogue is whole, the bytes are not
        given: list[bytes] = []
        with pytest.raises(CorruptBlock, match="block 2"):
            given.extend(PackReader(reader).blocks(instance.offset, instance.length))
        with pytest.raises(CorruptBlock, match="block 2"):
            PackReader(reader).verify()
        assert (
            PackReader(reader).read(3 * BLOCK_BYTES, 10)
            == stored(part10(4 * BLOCK_BYTES))[3 * BLOCK_BYTES - instance.offset :][:10]
        )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 700_000) | st.integers(0, 200), st.booleans()), min_size=1, max_size=8),
    st.sampled_from([1000, 65_537, BLOCK_BYTES, 1 << 30]),
    st.data(),
)
def test_kept_and_dropped_parts_in_any_order(
    parts: list[tuple[int, bool]], step: int, data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        store = LocalObjectStore(Path(folder))
        key = new_pack_key()
        writer = PackWriter(store.create(key), make_preamble(key))
        kept = []
        for number, (length, keep) in enumerate([*parts, (50, True)]):
            content = part10(length, number)
            if keep:
                add(writer, content, number, step)
                kept.append(stored(content))
            else:
                writer.begin_part()
                for start in range(0, len(content), step):
                    writer.write(content[start : start + step])
                view = writer.part_view() if number % 2 else memoryview(b"")
                writer.drop_part()
                assert len(view) in (0, len(content))
        pack = writer.finish()
        assert read_back(store, pack) == kept
        raw = (Path(folder) / key).read_bytes()
        with store.open(key) as reader:
            data_bytes = PackReader(reader).read_trailer().data_bytes
            offset = data.draw(st.integers(0, data_bytes))
            length = data.draw(st.integers(0, data_bytes - offset))
            pieces = list(PackReader(reader).blocks(offset, length))
        assert b"".join(pieces) == raw[offset : offset + length]
        assert all(0 < len(piece) <= BLOCK_BYTES for piece in pieces)


def test_a_view_outlives_the_part_it_shows(tmp_path: Path) -> None:
    store = LocalObjectStore(tmp_path)
    key = new_pack_key()
    writer = PackWriter(store.create(key), make_preamble(key))
    add(writer, part10(10), 0)
    writer.begin_part()
    writer.write(part10(3 * BLOCK_BYTES))
    view = writer.part_view()
    writer.drop_part()
    add(writer, part10(20), 1)
    assert len(bytes(view)) == 132 + 3 * BLOCK_BYTES
    pack = writer.finish()
    assert read_back(store, pack) == [stored(part10(10)), stored(part10(20))]


def test_a_trailer_from_a_cache_saves_the_epilogue(small: Stored) -> None:
    store, pack = small
    with store.open(pack.key) as reader:
        trailer = PackReader(reader).read_trailer()
        offsets: list[int] = []
        counting = CountingReader(reader.read_at, offsets, reader.size_bytes)
        PackReader(counting, trailer).read(pack.instances[1].offset, 10)
    assert offsets == [0]


class CountingReader:
    """An open object that notes where it was read."""

    key = "counted"
    preferred_read_bytes = 4 * BLOCK_BYTES

    def __init__(self, read_at: Callable[[int, int], bytes], offsets: list[int], size_bytes: int) -> None:
        self._read_at = read_at
        self._offsets = offsets
        self.size_bytes = size_bytes

    def read_at(self, offset: int, length: int) -> bytes:
        self._offsets.append(offset)
        return self._read_at(offset, length)

    def close(self) -> None:
        raise AssertionError("a pack reader closes nothing")

    def __enter__(self) -> "CountingReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_neighbouring_ranges_read_each_block_once_and_as_much_at_once_as_the_store_likes(
    tmp_path: Path,
) -> None:
    contents = [part10(BLOCK_BYTES // 3, number) for number in range(25)]
    store, pack = make_pack(tmp_path, contents)
    with store.open(pack.key) as reader:
        offsets: list[int] = []
        pack_reader = PackReader(CountingReader(reader.read_at, offsets, reader.size_bytes))
        assert [pack_reader.read(i.offset, i.length) for i in pack.instances] == [stored(c) for c in contents]
        one_by_one = offsets[1:]
        offsets.clear()
        pack_reader.verify()
    assert one_by_one == sorted(set(one_by_one))
    assert offsets == [number * 4 * BLOCK_BYTES for number in range(len(offsets))]


def test_ranges_outside_of_the_pack_are_refused_at_once(small: Stored) -> None:
    store, pack = small
    with store.open(pack.key) as reader:
        for offset, length in ((-1, 5), (0, -1), (0, pack.size_bytes), (pack.size_bytes, 1)):
            with pytest.raises(RangeOutsidePack):
                PackReader(reader).blocks(offset, length)


@pytest.mark.parametrize("length", [10, BLOCK_BYTES - 1, 2 * BLOCK_BYTES + 10])
def test_a_part_that_names_its_transfer_syntax_first_lies_as_one_that_names_it_last(
    tmp_path: Path, length: int
) -> None:
    store = LocalObjectStore(tmp_path)
    preamble = make_preamble("packs/00/one.pack")
    packs = []
    for name, begun_as in (("first", EXPLICIT), ("last", ""), ("otherwise", "1.2.840.10008.1.2.4.90")):
        writer = PackWriter(store.create(name), preamble)
        writer.begin_part(begun_as)
        writer.write(part10(length))
        writer.end_part(sop_instance_uid="1", series_instance_uid="2", transfer_syntax_uid=EXPLICIT)
        writer.finish()
        packs.append((tmp_path / name).read_bytes())
    assert packs[0] == packs[1] == packs[2]
    with store.open("first") as reader:
        assert is_complete(reader)


def test_a_pack_without_instances_is_never_finished(tmp_path: Path) -> None:
    store = LocalObjectStore(tmp_path)
    key = new_pack_key()
    writer = PackWriter(store.create(key), make_preamble(key))
    writer.begin_part()
    writer.write(part10(10))
    writer.drop_part()
    with pytest.raises(EmptyPack, match=key):
        writer.finish()
    writer.abandon()
    writer.abandon()
    with store.open(key) as reader:
        assert not is_complete(reader)


def test_calls_out_of_order_are_errors(tmp_path: Path) -> None:
    store = LocalObjectStore(tmp_path)
    key = new_pack_key()
    writer = PackWriter(store.create(key), make_preamble(key))
    for without_part in (writer.drop_part, writer.part_view, lambda: writer.write(b"x")):
        with pytest.raises(PackMisuse, match="no part was begun"):
            without_part()
    writer.begin_part()
    for within_part in (writer.begin_part, writer.finish):
        with pytest.raises(PackMisuse, match="neither ended nor dropped"):
            within_part()
    with pytest.raises(ValueError, match="transfer syntax"):
        writer.end_part(sop_instance_uid="1", series_instance_uid="2", transfer_syntax_uid="1" * 65)
    writer.abandon()


def test_a_full_device_is_an_error_and_leaves_no_complete_pack() -> None:
    with Path("/dev/full").open("r+b", buffering=0) as device:
        writer = PackWriter(device, make_preamble(new_pack_key()))
        writer.begin_part()
        with pytest.raises(OSError, match="No space left"):
            writer.write(part10(BLOCK_BYTES))


def test_keys_are_in_order_of_time_and_spread() -> None:
    keys = [new_pack_key() for _ in range(2000)]
    assert len(set(keys)) == 2000
    names = [key.rsplit("/", 1)[1] for key in keys]
    assert names == sorted(names)
    assert all(
        key == f"packs/{name[24:26]}/{name}" == key.lower() for key, name in zip(keys, names, strict=True)
    )
    assert len({key.split("/")[1] for key in keys}) > 100


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"", "no preamble line"),
        (b"{}\r\n", "format_version"),
        (b'{"format_version":2}\r\n', "version 2 is not 1"),
        (b"[]\r\n", "not what the format says"),
        (b"\x89PNG\r\n", "not what the format says"),
        (b'{"format_version":1,"received_at":"yesterday"}\r\n', "not what the format says"),
        (
            b'{"format_version":1,"received_at":"2025-03-01T00:00:00+00:00","x":1}\r\n',
            "not what the format says",
        ),
    ],
)
def test_a_preamble_of_another_kind_is_named(head: bytes, message: str) -> None:
    with pytest.raises(InvalidPack, match=message):
        decode_preamble(head)


def test_the_preamble_is_one_line_whatever_the_client_is_called() -> None:
    line = encode_preamble(make_preamble(new_pack_key()))
    assert b"\r" not in line
    assert b"\n" not in line
