"""The access log: first touch durable before the first byte, the rest counted.

A first access of (who, assignment, study, door) in five minutes writes one row in the request; what
follows in that window adds to counters that a flush writes to an AccessSpan. A crash can lose counts,
never the fact.

What cannot be recorded must not happen. The one exception is an emergency in the own unit: its rows go to the
spool of `access.audit_spool` until the log takes them.
"""

import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from access import audit_spool
from access.actor import Actor, Scope
from access.database import RETRYABLE_SQLSTATES
from access.models import AccessSpan, AuditEvent
from access.rows import add

WINDOW_S = 300.0
FLUSH_S = 15.0
SPOOLED = 0
"""In place of the id of an event that waits in the spool."""
_PROBE = Actor("duty", "probe", Scope(), frozenset())


class UnrecordedAccess(RuntimeError):
    """The access log cannot be written: what should have been recorded must not happen."""


@dataclass(slots=True)
class _Touch:
    event_id: int
    since: float
    rule: str
    instances: int = 0
    frames: int = 0
    bytes_sent: int = 0
    changed: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


_touches: dict[tuple[object, ...], _Touch] = {}
_touches_lock = threading.Lock()
_first_touches = tuple(threading.Lock() for _ in range(64))
"""One of them is held while a first touch is written: who reads the same at the same moment waits for that row."""
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
    reason: str = "",
    basis: tuple[str, ...] = (),
    detail: Mapping[str, Any] | None = None,
    may_spool: bool = False,
) -> int:
    """Write one event now, in the caller's transaction if there is one; returns its id, or `SPOOLED`.

    Parameters
    ----------
    action
        A word of `access.audit_export.codes.KINDS`: store, search, read, deliver, login ...
    rule, reason, basis
        By which rule it was decided, the word for it in `access.sentences`, and the rows it rests on.
    may_spool
        An emergency in the own unit, which does not wait for the log: if the database does not take the row it is
        kept on the disk, whether or not the caller's transaction comes to be.

    Raises
    ------
    UnrecordedAccess
        The log cannot be written, nor the spool where that is allowed; answer 503 and do nothing.
    """
    why = {"reason": reason} if reason else {}
    values = {
        **_describe(actor),
        "action": action,
        "outcome": outcome,
        "door": door,
        "rule": rule,
        "study_instance_uid": study_instance_uid,
        "patient_id": patient_id,
        "detail": _cleaned(dict(detail or {}) | why | ({"basis": list(basis)} if basis else {})),
    }
    # The transaction around it must survive that the row is refused.
    guard = transaction.atomic() if may_spool and connection.in_atomic_block else nullcontext()
    try:
        with guard:
            return int(add(AuditEvent, **values))
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) in RETRYABLE_SQLSTATES:
            raise
        if may_spool:
            return _spool(values)
        raise UnrecordedAccess("the access log cannot be written; nothing is answered without it") from error


def _spool(values: Mapping[str, Any]) -> int:
    try:
        audit_spool.keep(values)
    except OSError as error:
        raise UnrecordedAccess("neither the access log nor its spool can be written") from error
    return SPOOLED


def can_record() -> bool:
    """Tell whether the log takes rows now: one is written and taken back. Only for what is rare."""
    try:
        with transaction.atomic():
            add(AuditEvent, **_describe(_PROBE), action="probe", outcome="success")
            transaction.set_rollback(True)
    except DatabaseError:
        return False
    return True


def _describe(actor: Actor) -> dict[str, Any]:
    """Return the columns of who asks and from where; unit and role of the person, if one is behind a system."""
    person = actor.on_behalf_of or actor
    return {
        "recorded_at": timezone.now(),
        "actor": actor.subject[:200],
        "actor_kind": actor.kind,
        "assignment_id": person.assignment_id,
        "role": (person.role or actor.role)[:100],
        "on_behalf_of": person.subject[:200] if person is not actor else "",
        "care_unit_hsa_id": person.care_unit_hsa_id or actor.care_unit_hsa_id,
        "department_hsa_id": person.department_hsa_id or actor.department_hsa_id,
        "purpose": person.purpose,
        "address": actor.address[:64],
    }


def _cleaned(value: Any) -> Any:
    """Replace in text what PostgreSQL does not take: NUL, and halves of characters."""
    if isinstance(value, str):
        text = value.replace("\0", "\ufffd")
        return text if text.isascii() else text.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(item) for item in value]
    return value


def touch(
    actor: Actor,
    study_instance_uid: str,
    patient_id: int | None,
    *,
    door: str,
    rule: str = "",
    reason: str = "",
    basis: tuple[str, ...] = (),
    action: str = "read",
    detail: Mapping[str, Any] | None = None,
    may_spool: bool = False,
) -> None:
    """Record that the actor reads a study: one durable row a window and rule, before the first byte.

    Parameters
    ----------
    rule, reason, basis
        By which rule it was permitted, why, and the rows that the decision rests on.
    action, detail
        What of the study is read, where that has a row of its own: a version of a report.
    may_spool
        As of `record`; what follows a row that waits in the spool is not counted.

    Raises
    ------
    UnrecordedAccess
        As `record` does.
    """
    key = _key(actor, study_instance_uid, door)
    if detail:
        key = (*key, action, repr(sorted(detail.items())))
    if _is_touched(key, rule):
        return
    with _first_touches[hash(key) % len(_first_touches)]:
        if _is_touched(key, rule):
            return
        known = _touches.get(key)
        if known is not None and known.changed:
            flush_counts()
        now = time.monotonic()
        event_id = record(
            actor,
            action,
            door=door,
            study_instance_uid=study_instance_uid,
            patient_id=patient_id,
            rule=rule,
            reason=reason,
            basis=basis,
            detail=detail,
            may_spool=may_spool,
        )
        with _touches_lock:
            _touches[key] = _Touch(event_id, now, rule)
    _forget_old(now)


def _is_touched(key: tuple[object, ...], rule: str) -> bool:
    known = _touches.get(key)
    return known is not None and time.monotonic() - known.since < WINDOW_S and known.rule == rule


def refuse(
    actor: Actor, study_instance_uid: str, patient_id: int | None, *, door: str, rule: str, reason: str
) -> None:
    """Record that the actor asked for a study and got nothing, whether or not it exists: at the same cost."""
    record(
        actor,
        "read",
        outcome="refused",
        door=door,
        study_instance_uid=study_instance_uid[:64],
        patient_id=patient_id,
        rule=rule,
        reason=reason,
    )


def _key(actor: Actor, study_instance_uid: str, door: str) -> tuple[object, ...]:
    person = actor.on_behalf_of or actor
    who = (actor.kind, actor.subject, person.subject, person.assignment_id, person.purpose)
    return (*who, study_instance_uid, door)


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
    known = _touches.get(_key(actor, study_instance_uid, door))
    if known is None or known.event_id == SPOOLED:
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
