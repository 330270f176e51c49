"""The sweep: what requests left behind without a row, and what was condemned long enough ago.

A pack's row decides. The sweep inserts `condemned` before it touches an object, a store inserts `live`:
the primary key lets one of them win, and what was answered is never swept. A complete pack without a
row is not thrown away: it goes to `lost/`, waits to be adopted, and goes after 90 days. The bytes of a
document without a row go to `lost-documents/` for as long.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ulid import ULID

from access.actor import Actor, Scope
from access.authentication import client_actor
from access.database import write_transaction
from access.models import ApiClient, Department
from repository.document_store import DOCUMENTS_PREFIX
from repository.journal.duty import find_advance
from repository.models import Pack, StoredDocument
from repository.objects.base import ObjectReader, ObjectStore
from repository.objects.selection import open_store
from repository.packs.layout import PackedInstance, PackPreamble
from repository.packs.reader import PackReader, is_complete
from repository.store import store
from repository.store_result import PartResult

log = logging.getLogger(__name__)

UNANSWERED_AFTER = timedelta(hours=24)
PACK_GRACE = timedelta(days=7)
KEEP_LOST = timedelta(days=90)
SWEEP_TAKES_AT_MOST = timedelta(hours=1)
LOST_PREFIX = "lost/"
LOST_DOCUMENTS_PREFIX = "lost-documents/"
COPY_BYTES = 1 << 20


@dataclass(slots=True)
class SweepReport:
    """Keys that were touched, by what was done."""

    removed_unfinished: list[str] = field(default_factory=list)
    moved_to_lost: list[str] = field(default_factory=list)
    removed_condemned: list[str] = field(default_factory=list)
    removed_lost: list[str] = field(default_factory=list)
    moved_documents: list[str] = field(default_factory=list)
    ahead: str | None = None  # a journal file that this database never knew: nothing was swept


@dataclass(frozen=True, slots=True)
class Adoption:
    """What became of one lost pack."""

    key: str
    results: tuple[PartResult, ...]

    @property
    def is_complete(self) -> bool:
        """True if everything in it is stored now."""
        return all(result.failure_reason is None for result in self.results)


def sweep(
    *,
    unanswered_after: timedelta = UNANSWERED_AFTER,
    grace: timedelta = PACK_GRACE,
    now: datetime | None = None,
) -> SweepReport:
    """Remove unfinished packs, set complete ones without a row aside, delete what is condemned past its grace.

    May run twice, and beside stores.
    """
    objects = open_store()
    now = now or tell_time(objects)
    report = SweepReport(ahead=find_advance(now))
    if report.ahead is not None:
        log.error(
            "nothing is swept: %s tells of what this database never knew; run rebuild_index", report.ahead
        )
        return report
    for stored in objects.keys("packs/"):
        if stored.modified_at > now - unanswered_after:
            continue
        row = Pack.objects.filter(key=stored.key).first()
        if (row is None and _condemn(stored.key, stored.size_bytes, now)) or _was_left(row, now):
            _set_aside(objects, stored.key, report)
    _remove_condemned(objects, now - grace, report)
    _set_documents_aside(objects, now - unanswered_after, report)
    _remove_lost(objects, now - KEEP_LOST, report)
    return report


def tell_time(objects: ObjectStore) -> datetime:
    """Ask the object store what time it is: the age of an object is by its clock, not by ours."""
    key = f"clock/{str(ULID()).lower()}"
    objects.create(key).close()
    try:
        objects.sync(key)
        return objects.modified_at(key)
    finally:
        objects.delete(key)


def lost_packs() -> list[str]:
    """Return the keys of complete packs that wait to be adopted."""
    return [stored.key for stored in open_store().keys(LOST_PREFIX)]


def adopt(key: str) -> Adoption:
    """Store what a lost pack holds, as if its sender had sent it again; the pack goes when all of it is stored."""
    objects = open_store()
    with objects.open(key) as reader:
        pack = PackReader(reader)
        preamble = pack.read_preamble()
        parts = [_LostPart(pack, instance) for instance in pack.instances]
        results = store(iter(parts), _sender(preamble), door="adopt")
    adoption = Adoption(key, results)
    if adoption.is_complete:
        objects.delete(key)
    return adoption


@dataclass(frozen=True, slots=True)
class _LostPart:
    pack: PackReader
    instance: PackedInstance

    def chunks(self) -> Iterator[bytes]:
        """Yield the instance, verified."""
        return self.pack.blocks(self.instance.offset, self.instance.length)


def _condemn(key: str, size_bytes: int, now: datetime) -> bool:
    """Insert the row that forbids a store; False when a store was first."""
    with write_transaction():
        Pack.objects.bulk_create(
            [Pack(key=key, state=Pack.CONDEMNED, size_bytes=size_bytes, written_at=now, condemned_at=now)],
            ignore_conflicts=True,
        )
        return Pack.objects.filter(key=key, state=Pack.CONDEMNED, condemned_at=now).exists()


def _was_left(row: Pack | None, now: datetime) -> bool:
    """Tell whether a sweep condemned the pack and died before it set it aside: a store writes its study."""
    return (
        row is not None
        and row.state == Pack.CONDEMNED
        and not row.study_instance_uid
        and row.condemned_at is not None
        and row.condemned_at <= now - SWEEP_TAKES_AT_MOST
    )


def _set_aside(objects: ObjectStore, key: str, report: SweepReport) -> None:
    with objects.open(key) as reader:
        # A compacted pack without a row holds nothing that does not lie elsewhere, and perhaps what was erased.
        complete = is_complete(reader) and not PackReader(reader).read_preamble().compacted
        if complete:
            _copy(objects, reader, LOST_PREFIX + key.rsplit("/", 1)[1])
    objects.delete(key)
    Pack.objects.filter(key=key).update(state=Pack.GONE)
    (report.moved_to_lost if complete else report.removed_unfinished).append(key)


def _copy(objects: ObjectStore, reader: ObjectReader, target: str) -> None:
    objects.delete(target)  # what an interrupted sweep left
    with objects.create(target) as file:
        at = 0
        while at < reader.size_bytes:
            at += file.write(reader.read_at(at, min(COPY_BYTES, reader.size_bytes - at)))
        os.fsync(file.fileno())
    objects.sync(target)


def _remove_condemned(objects: ObjectStore, before: datetime, report: SweepReport) -> None:
    for key in Pack.objects.filter(state=Pack.CONDEMNED, condemned_at__lte=before).values_list(
        "key", flat=True
    ):
        objects.delete(key)
        Pack.objects.filter(key=key, state=Pack.CONDEMNED).update(state=Pack.GONE)
        report.removed_condemned.append(key)


def _remove_lost(objects: ObjectStore, before: datetime, report: SweepReport) -> None:
    for prefix in (LOST_PREFIX, LOST_DOCUMENTS_PREFIX):
        for stored in objects.keys(prefix):
            if stored.modified_at <= before:
                objects.delete(stored.key)
                report.removed_lost.append(stored.key)


def _set_documents_aside(objects: ObjectStore, before: datetime, report: SweepReport) -> None:
    """Set aside what has no row: a row is written within `ROW_WITHIN` of its object or never.

    Not removed at once, for a database that was lost knows none of them.
    """
    for stored in objects.keys(DOCUMENTS_PREFIX):
        if stored.modified_at <= before and not StoredDocument.objects.filter(key=stored.key).exists():
            with objects.open(stored.key) as reader:
                _copy(objects, reader, LOST_DOCUMENTS_PREFIX + stored.key.rsplit("/", 1)[1])
            objects.delete(stored.key)
            report.moved_documents.append(stored.key)


def _sender(preamble: PackPreamble) -> Actor:
    client = ApiClient.objects.filter(name=preamble.client).select_related("department__unit").first()
    if client is not None:
        return replace(client_actor(client, frozenset({"store"})), ae_title=preamble.ae_title)
    department = Department.objects.filter(hsa_id=preamble.department or "").select_related("unit").first()
    scope = (
        Scope(department.pk, department.unit_id, department.unit.provider_id)
        if department
        else Scope(region_wide=True)
    )
    return Actor(
        "system",
        preamble.client,
        scope,
        frozenset({"store"}),
        department_hsa_id=preamble.department or "",
        ae_title=preamble.ae_title,
    )
