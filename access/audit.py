"""The access log: first touch durable before the first byte, the rest counted.

A first access of (who, assignment, study, door) in five minutes writes one row in the request; what
follows in that window adds to counters that a flush writes to an AccessSpan. A crash can lose counts,
never the fact.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from access.actor import Actor
from access.models import AccessSpan, AuditEvent
from access.rows import insert

WINDOW_S = 300.0
FLUSH_S = 15.0


@dataclass(slots=True)
class _Touch:
    event_id: int
    since: float
    instances: int = 0
    frames: int = 0
    bytes_sent: int = 0
    changed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


_touches: dict[tuple[object, ...], _Touch] = {}
_touches_lock = threading.Lock()
_last_flush = time.monotonic()


def record(
    actor: Actor,
    action: str,
    *,
    outcome: str = "success",
    door: str = "",
    study_instance_uid: str = "",
    patient_id: int | None = None,
    rule: str = "",
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Write one event now, in the caller's transaction if there is one; returns its id.

    `action` is one of store, search, read, deliver, login, delete, reject, restore, commit, export.
    """
    row = AuditEvent(
        recorded_at=timezone.now(),
        action=action,
        outcome=outcome,
        actor=actor.subject,
        actor_kind=actor.kind,
        assignment_id=actor.assignment_id,
        department_hsa_id=actor.department_hsa_id,
        purpose=actor.purpose,
        door=door,
        address=actor.address,
        patient_id=patient_id,
        study_instance_uid=study_instance_uid,
        rule=rule,
        detail=dict(detail or {}),
    )
    insert(row)
    return int(row.pk)


def touch(
    actor: Actor, study_instance_uid: str, patient_id: int | None, *, door: str, rule: str = ""
) -> None:
    """Record that the actor reads a study: a durable row for the first touch of a window, else nothing.

    Call before the first byte of the answer.
    """
    key = (actor.kind, actor.subject, actor.assignment_id, study_instance_uid, door)
    now = time.monotonic()
    known = _touches.get(key)
    if known is not None and now - known.since < WINDOW_S:
        return
    event_id = record(
        actor, "read", door=door, study_instance_uid=study_instance_uid, patient_id=patient_id, rule=rule
    )
    with _touches_lock:
        _touches[key] = _Touch(event_id, now)
    _forget_old(now)


def count(
    actor: Actor,
    study_instance_uid: str,
    *,
    door: str,
    instances: int = 0,
    frames: int = 0,
    bytes_sent: int = 0,
) -> None:
    """Add to what followed the first touch; written at the next flush."""
    known = _touches.get((actor.kind, actor.subject, actor.assignment_id, study_instance_uid, door))
    if known is None:
        return
    with known.lock:
        known.instances += instances
        known.frames += frames
        known.bytes_sent += bytes_sent
        known.changed = True
    global _last_flush
    now = time.monotonic()
    if now - _last_flush > FLUSH_S:
        _last_flush = now
        flush_counts()


def flush_counts() -> None:
    """Write the counters that have changed to their AccessSpan rows."""
    with _touches_lock:
        changed = [t for t in _touches.values() if t.changed]
    rows = []
    now = timezone.now()
    for item in changed:
        with item.lock:
            item.changed = False
            rows.append(
                AccessSpan(
                    event_id=item.event_id,
                    instances=item.instances,
                    frames=item.frames,
                    bytes_sent=item.bytes_sent,
                    last_at=now,
                )
            )
    if rows:
        with transaction.atomic():
            AccessSpan.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["event"],
                update_fields=["instances", "frames", "bytes_sent", "last_at"],
            )


def _forget_old(now: float) -> None:
    with _touches_lock:
        if len(_touches) < 10_000:
            return
    flush_counts()
    with _touches_lock:
        for key in [k for k, t in _touches.items() if now - t.since >= WINDOW_S]:
            del _touches[key]
