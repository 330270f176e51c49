"""What every change of who may see what leaves behind, and what is asked of everyone who makes one.

The patient's epoch is raised (decisions are made anew), the change feed has a row (the journal keeps it), the
access log says who did it: all in the transaction of the change.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model
from django.utils import timezone

from access import audit
from access.actor import Actor
from registry import changes
from registry.epochs import raise_patient_epoch

ROW_KINDS = (
    "consent",
    "block",
    "lift",
    "flag",
    "relative",
    "relation",
    "choice",
    "participation",
    "opening",
    "opening_review",
    "share",
)
"""Kinds of rows that decide about access, as the feed, the journal and the access log name them."""


class MissingRight(PermissionError):
    """The actor's assignment does not let it do that, or not for this unit or provider."""


class InvalidEntry(ValueError):
    """What was to be registered is incomplete or contradicts itself; the message says what and why."""


class EndedEntry(ValueError):
    """It was withdrawn, cancelled, closed or ended before, or its time is over."""


class UnknownEntry(LookupError):
    """There is no such row."""


def require_right(
    actor: Actor, right: str, action: str, patient_id: int | None = None, *, door: str = ""
) -> None:
    """Raise `MissingRight` unless the actor holds the permission; what was tried is in the access log."""
    if not actor.may(right):
        refuse(
            actor, action, patient_id, f"the assignment does not include the permission {right}", door=door
        )


def refuse(actor: Actor, action: str, patient_id: int | None, message: str, *, door: str = "") -> None:
    """Record that something was tried that is not the actor's to do, and raise `MissingRight`."""
    audit.record(
        actor, action, outcome="refused", door=door, patient_id=patient_id, detail={"refusal": message}
    )
    raise MissingRight(message)


def require_person(actor: Actor, action: str, patient_id: int | None, *, door: str = "") -> tuple[int, int]:
    """Return the keys of the person and of the assignment; only a person in care can do what follows."""
    if actor.kind != "person" or actor.subject_id is None or actor.assignment_id is None:
        refuse(actor, action, patient_id, "only a person under an assignment can do this", door=door)
    if actor.purpose != "care":
        refuse(actor, action, patient_id, "the assignment is not for care and treatment", door=door)
    return actor.subject_id or 0, actor.assignment_id or 0


def require_text(text: str, name: str, *, least: int = 1, most: int = 1000) -> str:
    """Return a stated text without blanks around it, or raise `InvalidEntry`; length in characters."""
    stated = text.strip()
    if len(stated) < least:
        raise InvalidEntry(f"{name} has {len(stated)} characters; at least {least} are needed")
    if len(stated) > most:
        raise InvalidEntry(f"{name} has {len(stated)} characters; at most {most} are kept")
    if "\0" in stated:
        raise InvalidEntry(f"{name} contains a NUL character")
    return stated


def require_end(valid_to: datetime, now: datetime, *, most: timedelta | None = None) -> datetime:
    """Return an end that lies ahead and not too far, or raise `InvalidEntry`."""
    if timezone.is_naive(valid_to):
        raise InvalidEntry(f"the end {valid_to.isoformat()} has no time zone")
    if valid_to <= now:
        raise InvalidEntry(f"the end {valid_to.isoformat()} has passed")
    if most is not None and valid_to > now + most:
        raise InvalidEntry(f"the end {valid_to.isoformat()} is more than {most.days} days away")
    return valid_to


def require_date(text: str, name: str) -> str:
    """Return a date as `YYYYMMDD` or empty, or raise `InvalidEntry`."""
    if not text:
        return ""
    try:
        if len(text) != 8 or not text.isascii() or not text.isdigit():
            raise ValueError
        datetime(int(text[:4]), int(text[4:6]), int(text[6:]), tzinfo=timezone.get_default_timezone())
    except ValueError:
        raise InvalidEntry(f"{name} {text[:20]!r} is not a date of the form YYYYMMDD") from None
    return text


def note(
    actor: Actor,
    action: str,
    patient_id: int,
    kind: str,
    row: Model,
    /,
    *,
    door: str = "",
    study_instance_uid: str = "",
    may_spool: bool = False,
    **detail: Any,
) -> None:
    """Raise the epoch, append to the feed and record; call it in the transaction that wrote the row.

    Parameters
    ----------
    kind
        One of `ROW_KINDS`; the row is named `kind:key` in the log, as decisions name what they rest on.
    may_spool
        A step of an emergency: it does not wait for an access log that cannot be written.
    detail
        What else the log shall say: keys of rows, codes, stated reasons. No names, no numbers of patients.
    """
    raise_patient_epoch(patient_id)
    changes.append(kind, study_instance_uid, {"row": row.pk})
    audit.record(
        actor,
        action,
        door=door,
        patient_id=patient_id,
        study_instance_uid=study_instance_uid,
        detail={"row": f"{kind}:{row.pk}", **{name: value for name, value in detail.items() if value}},
        may_spool=may_spool,
    )
