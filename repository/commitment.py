"""Storage commitment: what is referred to is there, may be seen, and its bytes are read and hold their sums.

What fits into a moment is answered at once, the rest is settled by a duty. A row is the queue: a process that
dies leaves it to the next.

Standard: PS3.18 13, PS3.4 J
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import orjson
import zstandard
from django.conf import settings
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import release, run_write
from access.prepared import PreparedList
from access.rows import insert
from registry.models import Instance
from registry.visibility import visible_studies
from repository.damage import DAMAGES, alarmed
from repository.models import Commitment, Pack
from repository.objects.base import UnknownObject
from repository.objects.selection import open_store
from repository.packs.reader import PackReader

log = logging.getLogger(__name__)

PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
CLASS_CONFLICT = 0x0119
AT_ONCE_BYTES = 256 << 20
OPEN_AT_MOST = 50
PLANS_AT_MOST = 3


class DuplicateTransaction(ValueError):
    """The client has used this Transaction UID before."""


class TooManyRequests(RuntimeError):
    """So many requests of this client wait to be settled that no more are taken for now."""


class UnknownTransaction(LookupError):
    """The client has no such transaction, or its result is no longer kept."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One instance of a request; study and series are empty where the request does not name them."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class CommitmentResult:
    """A request and its answer: a failure reason for each reference, None for what is committed.

    `reasons` itself is None as long as bytes are being read.
    """

    references: tuple[Reference, ...]
    reasons: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class _Found:
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_id: int
    study_instance_uid: str
    pack_key: str
    offset: int
    length: int


def request_commitment(
    actor: Actor, transaction_uid: str, references: Sequence[Reference]
) -> CommitmentResult:
    """Settle a request, at once if it is not about too many bytes.

    What the actor may not see does not exist for it.

    Raises
    ------
    DuplicateTransaction
        The Transaction UID is in use.
    TooManyRequests
        The client has as many unsettled requests as one may.
    """
    found = _find(references, actor)
    early = [_check(reference, found.get(reference.sop_instance_uid)) for reference in references]
    total = sum(found[r.sop_instance_uid].length for r, e in zip(references, early, strict=True) if e is None)
    is_short = total <= AT_ONCE_BYTES
    row = Commitment(
        subject=_subject_of(actor),
        transaction_uid=transaction_uid,
        references=_pack([[getattr(r, name) for name in Reference.__slots__] for r in references]),
        # What may not be seen is decided now, for this actor; the duty reads the bytes of the rest.
        reasons=_pack(early),
        requested_at=timezone.now(),
    )
    run_write(lambda: _open(row, actor))
    release()
    return CommitmentResult(tuple(references), settle(row) if is_short else None)


def find_commitment(actor: Actor, transaction_uid: str) -> CommitmentResult:
    """Return a request of this actor and its answer.

    Raises
    ------
    UnknownTransaction
        There is none.
    """
    oldest = timezone.now() - _kept_for()
    rows = Commitment.objects.filter(subject=_subject_of(actor), transaction_uid=transaction_uid)
    row = rows.filter(requested_at__gt=oldest).first()
    if row is None:
        raise UnknownTransaction(
            f"there is no transaction {transaction_uid}, or its result is no longer kept"
        )
    reasons = _unpack(row.reasons) if row.settled_at is not None else None
    return CommitmentResult(_references_of(row), None if reasons is None else tuple(reasons))


def settle_commitments() -> int:
    """Read the bytes of the requests that were not answered at once, oldest first; returns how many were settled."""
    pending = list(Commitment.objects.filter(settled_at=None).order_by("requested_at")[:20])
    for row in pending:
        settle(row)
    return len(pending)


def forget_commitments() -> int:
    """Delete the requests whose time is over; returns how many."""
    rows = Commitment.objects.filter(requested_at__lte=timezone.now() - _kept_for())
    return run_write(lambda: rows.delete()[0])


def settle(row: Commitment) -> tuple[int | None, ...]:
    """Read what a request refers to and write down what came of it; may run twice."""
    references = _references_of(row)
    reasons = list(_unpack(row.reasons))
    wanted = {r.sop_instance_uid for r, e in zip(references, reasons, strict=True) if e is None}
    failed = _verify(wanted)
    settled = tuple(
        failed.get(r.sop_instance_uid) if early is None else early
        for r, early in zip(references, reasons, strict=True)
    )
    rows = Commitment.objects.filter(pk=row.pk, settled_at=None)
    run_write(lambda: rows.update(reasons=_pack(settled), settled_at=timezone.now()))
    release()
    return settled


def _open(row: Commitment, actor: Actor) -> None:
    waiting = Commitment.objects.filter(subject=row.subject, settled_at=None).count()
    if waiting >= OPEN_AT_MOST:
        raise TooManyRequests(f"{waiting} requests of this client wait to be settled; send this one later")
    expired = Commitment.objects.filter(subject=row.subject, transaction_uid=row.transaction_uid)
    expired.filter(requested_at__lte=timezone.now() - _kept_for()).delete()
    if not insert(row, unless_known=True):
        raise DuplicateTransaction(
            f"Transaction UID {row.transaction_uid} is in use (0131); ask for its result, or use a new UID"
        )
    detail = {"transaction": row.transaction_uid, "instances": len(_references_of(row))}
    audit.record(actor, "commit", door="commitment", detail=detail)


def _check(reference: Reference, found: _Found | None) -> int | None:
    if found is None:
        return NO_SUCH_INSTANCE
    places = (
        (reference.study_instance_uid, found.study_instance_uid),
        (reference.series_instance_uid, found.series_instance_uid),
    )
    if any(named and named != real for named, real in places):
        return NO_SUCH_INSTANCE
    return None if reference.sop_class_uid == found.sop_class_uid else CLASS_CONFLICT


_PLACES = PreparedList(
    lambda uids: Instance.objects.filter(sop_instance_uid__in=uids).values_list(
        "sop_instance_uid",
        "sop_class_uid",
        "series__series_instance_uid",
        "series__study_id",
        "series__study__study_instance_uid",
        "segment__pack_key",
        "offset",
        "length",
    )
)


def _find(references: Iterable[Reference], actor: Actor) -> dict[str, _Found]:
    uids = sorted({r.sop_instance_uid for r in references})
    found = [_Found(*row) for row in _PLACES.fetch(uids)]
    visible: set[int] = set()
    # Who stores may ask about what it stored, without being able to read it.
    asking = replace(actor, permissions=actor.permissions | {"read"})
    studies = sorted({one.study_id for one in found})
    for start in range(0, len(studies), 500):
        rows = visible_studies(asking).filter(pk__in=studies[start : start + 500])
        visible.update(rows.values_list("pk", flat=True))
    return {one.sop_instance_uid: one for one in found if one.study_id in visible}


def _verify(sop_instance_uids: set[str]) -> dict[str, int]:
    """Read all bytes of these instances; returns the reasons of those that cannot be answered for.

    Compaction may move an instance meanwhile: what is not where it was is looked for again.
    """
    failed: dict[str, int] = {}
    left = sop_instance_uids
    for _ in range(PLANS_AT_MOST):
        places = [_Found(*row) for row in _PLACES.fetch(sorted(left))] if left else []
        live = _live_packs({one.pack_key for one in places})
        release()
        failed.update(dict.fromkeys(left - {one.sop_instance_uid for one in places}, NO_SUCH_INSTANCE))
        moved: set[str] = set()
        for key in sorted({one.pack_key for one in places}):
            inside = [one for one in places if one.pack_key == key]
            moved |= _read_pack(key, inside, failed) if key in live else {i.sop_instance_uid for i in inside}
        left = moved
        if not left:
            return failed
    return failed | dict.fromkeys(left, PROCESSING_FAILURE)


def _live_packs(keys: set[str]) -> set[str]:
    live: set[str] = set()
    ordered = sorted(keys)
    for start in range(0, len(ordered), 500):
        rows = Pack.objects.filter(key__in=ordered[start : start + 500], state=Pack.LIVE)
        live.update(rows.values_list("key", flat=True))
    return live


def _read_pack(key: str, inside: list[_Found], failed: dict[str, int]) -> set[str]:
    """Read the instances of one pack, each block held against its sum; returns those that moved away."""
    try:
        with alarmed(key), open_store().open(key) as reader:
            pack = PackReader(reader)
            for one in sorted(inside, key=lambda i: i.offset):
                if not _is_whole(pack, one):
                    failed[one.sop_instance_uid] = PROCESSING_FAILURE
    except UnknownObject:
        return {one.sop_instance_uid for one in inside}
    return set()


def _is_whole(pack: PackReader, one: _Found) -> bool:
    try:
        with alarmed(one.pack_key, one.sop_instance_uid, one.study_instance_uid):
            return sum(len(block) for block in pack.blocks(one.offset, one.length)) == one.length
    except DAMAGES:
        return False
    except OSError:
        log.exception("instance %s could not be read for a commitment", one.sop_instance_uid)
        return False


def _subject_of(actor: Actor) -> str:
    return f"{actor.kind}:{actor.subject}"[:200]


def _kept_for() -> timedelta:
    return timedelta(days=settings.COMMITMENT_RETENTION_DAYS)


def _references_of(row: Commitment) -> tuple[Reference, ...]:
    return tuple(Reference(*values) for values in _unpack(row.references))


def _pack(values: object) -> bytes:
    return zstandard.compress(orjson.dumps(values))


def _unpack(data: bytes | memoryview) -> list[Any]:
    values: list[Any] = orjson.loads(zstandard.decompress(bytes(data)))
    return values
