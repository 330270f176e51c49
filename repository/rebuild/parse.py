"""A pack read again: from its bytes to what registration takes. Needs no database, so several processes may do it."""

import hashlib
import mmap
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from registry.facts import SeriesFacts, StudyFacts, series_facts, study_facts
from registry.identity import Demographics
from registry.received import ReceivedPack
from repository.damage import DAMAGES
from repository.frames import find_frames
from repository.header.errors import Part10Error
from repository.objects.base import ObjectStore
from repository.packs.layout import PackedInstance, PackPreamble
from repository.packs.reader import PackReader, is_complete
from repository.part10 import read_header
from repository.segments import PreparedInstance, SegmentBuilder, prepare_instance

IN_MEMORY_BYTES = 8 << 20
PREAMBLE_BYTES = 128
PATIENT_TAGS = ("00100010", "00100020", "00100021", "00100024", "00100030", "00100040")


@dataclass(frozen=True, slots=True)
class ParsedPack:
    """A pack as registration takes it; `received` is None when nothing of it can be used. `faults` say why not."""

    key: str
    size_bytes: int
    department: str | None
    received: ReceivedPack | None
    faults: tuple[str, ...]


@dataclass(slots=True)
class _Growing:
    """What is known of the pack so far: its study speaks through its first instance, as when it was stored."""

    study: StudyFacts | None = None
    patient: tuple[object, ...] = ()
    described: list[Demographics] = field(default_factory=list)
    series: dict[str, SegmentBuilder] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def parse_pack(objects: ObjectStore, key: str, left_out: Collection[str] = ()) -> ParsedPack:
    """Read a whole pack, every block and every SHA-256 verified; what is damaged is left out and named."""
    growing = _Growing()
    preamble, size_bytes = None, 0
    try:
        with objects.open(key) as reader:
            size_bytes = reader.size_bytes
            if not is_complete(reader):
                return ParsedPack(
                    key, size_bytes, None, None, ("it was never finished, so never answered for",)
                )
            pack = PackReader(reader)
            preamble = pack.read_preamble()
            for packed in pack.instances:
                if packed.sop_instance_uid not in left_out:
                    _take(growing, pack, packed)
    except DAMAGES as error:
        growing.faults.append(f"{type(error).__name__}: {error}")
    received = _finish(growing, key, preamble) if preamble else None
    return ParsedPack(
        key, size_bytes, preamble.department if preamble else None, received, tuple(growing.faults)
    )


def _take(growing: _Growing, pack: PackReader, packed: PackedInstance) -> None:
    try:
        study, prepared, patient = _read(growing, pack, packed)
    except (*DAMAGES, Part10Error) as error:
        growing.faults.append(f"instance {packed.sop_instance_uid}: {type(error).__name__}: {error}")
        return
    if growing.study is None:
        growing.study, growing.patient = study, patient
    elif patient != growing.patient:
        growing.described.append(study.demographics)
    builder = growing.series.setdefault(packed.series_instance_uid, SegmentBuilder(prepared.series))
    builder.add(prepared, packed.offset, packed.length, packed.sha256)


def _read(
    growing: _Growing, pack: PackReader, packed: PackedInstance
) -> tuple[StudyFacts, PreparedInstance, tuple[object, ...]]:
    with _open_view(pack, packed) as view:
        start = PREAMBLE_BYTES if bytes(view[PREAMBLE_BYTES : PREAMBLE_BYTES + 4]) == b"DICM" else 0
        with memoryview(view) as flat, flat[start:] as hashed:
            if hashlib.sha256(hashed).digest() != packed.sha256:
                raise Part10Error("it does not have the SHA-256 of the pack's index")
        header = read_header(view)
        frames, findings = find_frames(view, header)
        known = growing.series.get(packed.series_instance_uid)
        series: SeriesFacts = known.facts if known else series_facts(header.attributes)
        patient = tuple(header.attributes.get(tag) for tag in PATIENT_TAGS)
        study = (
            growing.study
            if growing.study is not None and patient == growing.patient
            else study_facts(header.attributes)
        )
        return study, prepare_instance(header, series, frames, findings), patient


@contextmanager
def _open_view(pack: PackReader, packed: PackedInstance) -> Iterator[bytes | mmap.mmap]:
    """Show the verified bytes of an instance: in memory, or in a scratch file when there are many."""
    if packed.length <= IN_MEMORY_BYTES:
        yield pack.read(packed.offset, packed.length)
        return
    Path(settings.SPOOL_ROOT).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.SPOOL_ROOT) as scratch:
        for block in pack.blocks(packed.offset, packed.length):
            scratch.write(block)
        scratch.flush()
        with mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ) as view:
            yield view


def _finish(growing: _Growing, key: str, preamble: PackPreamble) -> ReceivedPack | None:
    if growing.study is None:
        return None
    segments = tuple(builder.finish() for builder in growing.series.values())
    described = tuple(dict.fromkeys(growing.described))
    return ReceivedPack(
        key,
        growing.study,
        segments,
        preamble.received_at,
        described,
        client=preamble.client,
        ae_title=preamble.ae_title,
    )
