"""Scrub: read again what is stored and hold it against its sums, its hashes and its rows, in a rolling order.

A pack is due when it was not seen for `ROUND`; each run reads at most its budget, so that a round spreads over
the days. What is damaged is written down with its UIDs; what was damaged and is whole again is mended.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, Sum
from django.utils import timezone

from access.database import release
from registry.models import Instance, RemovedInstance
from repository.damage import DAMAGES, mend, note_damage
from repository.models import Pack
from repository.objects.base import ObjectStore
from repository.objects.selection import open_store
from repository.packs.layout import PackedInstance
from repository.packs.reader import PackReader

ROUND = timedelta(days=30)
RUN_EVERY = timedelta(hours=1)
MIN_BUDGET_BYTES = 256 << 20
PREAMBLE_BYTES = 128
HEAD_BYTES = PREAMBLE_BYTES + 4
SLACK = 2  # a run may be missed, and the archive grows meanwhile


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """What one run read and found: `damaged` are keys of packs."""

    packs: int
    size_bytes: int
    damaged: tuple[str, ...]


def scrub(
    *, budget_bytes: int | None = None, round_time: timedelta = ROUND, now: datetime | None = None
) -> ScrubReport:
    """Scrub packs that are due, those never seen first, until the budget is used up; at least one.

    May run twice: a pack is then read twice.
    """
    now = now or timezone.now()
    objects = open_store()
    budget = _budget_bytes() if budget_bytes is None else budget_bytes
    packs, total, damaged = 0, 0, []
    for key, size_bytes in _due_packs(now - round_time):
        if packs and total + size_bytes > budget:
            break
        if not scrub_pack(objects, key):
            damaged.append(key)
        Pack.objects.filter(key=key).update(last_scrubbed_at=timezone.now())
        release()
        packs += 1
        total += size_bytes
    return ScrubReport(packs, total, tuple(damaged))


def scrub_pack(objects: ObjectStore, key: str) -> bool:
    """Hold one pack against its sums, its hashes and its rows; False if anything is wrong. Memory is constant."""
    expected = _expected(key)
    release()
    try:
        with objects.open(key) as reader:
            pack = PackReader(reader)
            faults = {i.sop_instance_uid: _find_fault(pack, i, expected) for i in pack.instances}
    except DAMAGES as error:
        if not Pack.objects.filter(key=key, state=Pack.LIVE).exists():
            return True  # condemned and swept since it was chosen
        faults = dict.fromkeys(expected or ("",), f"{type(error).__name__}: {error}")
    for uid in expected.keys() - faults.keys():
        faults[uid] = "the index of the pack does not name it"
    damaged = {uid: fault for uid, fault in faults.items() if fault is not None}
    for uid, fault in damaged.items():
        note_damage(key, fault, uid, expected[uid].study if uid in expected else "")
    mend(key, faults.keys() - damaged.keys() if damaged else None)
    return not damaged


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the rows say of an instance."""

    study: str
    sha256: bytes
    offset: int
    length: int


def _due_packs(before: datetime) -> Iterator[tuple[str, int]]:
    live = Pack.objects.filter(state=Pack.LIVE)
    for due in (live.filter(last_scrubbed_at=None), live.filter(last_scrubbed_at__lt=before)):
        yield from due.order_by("last_scrubbed_at", "key").values_list("key", "size_bytes").iterator()


def _budget_bytes() -> int:
    total = Pack.objects.filter(state=Pack.LIVE).aggregate(total=Sum("size_bytes"))["total"] or 0
    return max(MIN_BUDGET_BYTES, int(total * SLACK * (RUN_EVERY / ROUND)))


def _expected(key: str) -> dict[str, _Expected]:
    columns = (
        "sop_instance_uid",
        "series__study__study_instance_uid",
        "sha256",
        "offset",
        "length",
    )
    rows = [
        *RemovedInstance.objects.filter(
            ~Q(state=RemovedInstance.REPLACED), segment__pack_key=key
        ).values_list(*columns),
        *Instance.objects.filter(segment__pack_key=key).values_list(*columns),
    ]
    return {
        uid: _Expected(study, bytes(sha256), offset, length) for uid, study, sha256, offset, length in rows
    }


def _find_fault(pack: PackReader, instance: PackedInstance, expected: dict[str, _Expected]) -> str | None:
    """Read an instance; returns what is wrong with it."""
    digest = hashlib.sha256()
    try:
        head = pack.read(instance.offset, min(HEAD_BYTES, instance.length))
        skipped = PREAMBLE_BYTES if head[PREAMBLE_BYTES:] == b"DICM" else 0
        for block in pack.blocks(instance.offset + skipped, instance.length - skipped):
            digest.update(block)
    except DAMAGES as error:
        return f"{type(error).__name__}: {error}"
    if digest.digest() != instance.sha256:
        return "it does not have the SHA-256 of the pack's index"
    row = expected.get(instance.sop_instance_uid)
    found = (instance.sha256, instance.offset, instance.length)
    if row is not None and (row.sha256, row.offset, row.length) != found:
        return "its row names another place, length or SHA-256 than the pack"
    return None
