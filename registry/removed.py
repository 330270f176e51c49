"""Rows of removed instances: moved out of `Instance`, moved back, replaced, erased.

Everything here belongs into a transaction that holds the study's row; counts are `registry.recount`'s.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Model, Q, QuerySet, Value

from registry.models import Instance, Removal, RemovedInstance

RETENTION_EXPIRED = "113039"


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept.

    Standard: PS3.3 8.8
    """

    code_value: str
    coding_scheme_designator: str
    code_meaning: str


REJECTIONS = tuple(
    Code(value, "DCM", meaning)
    for value, meaning in (
        ("113001", "Rejected for Quality Reasons"),
        ("113037", "Rejected for Patient Safety Reasons"),
        ("113038", "Incorrect Modality Worklist Entry"),
        (RETENTION_EXPIRED, "Data Retention Policy Expired"),
    )
)
"""The titles of rejection notes. IHE RAD IOCM, PS3.16 CID 7011."""

GONE = Q(state=RemovedInstance.HIDDEN) | Q(state=RemovedInstance.ERASED)
"""Removed instances that did not come back, neither restored nor stored again."""

_COPIED = tuple(f.attname for f in Instance._meta.concrete_fields if not f.primary_key)


def find_rejection(code_value: str, coding_scheme_designator: str) -> Code | None:
    """Find the reason for rejection that a code stands for."""
    wanted = (code_value, coding_scheme_designator)
    return next((c for c in REJECTIONS if (c.code_value, c.coding_scheme_designator) == wanted), None)


def find_refused(sop_instance_uids: Collection[str]) -> set[str]:
    """Return those of some removed instances that may not be stored again under their UIDs.

    What was deleted may, and what only outlived its retention; what was found to be wrong may not.
    """
    rows = RemovedInstance.objects.filter(
        GONE, sop_instance_uid__in=sop_instance_uids, removal__kind=Removal.REJECT
    )
    rows = rows.exclude(removal__code_value=RETENTION_EXPIRED)
    return set(rows.values_list("sop_instance_uid", flat=True))


def hide(removal: Removal, rows: QuerySet[Instance]) -> int:
    """Move rows out of sight for a removal; returns how many. One statement copies, one deletes."""
    marks = {"mark": Value(removal.pk), "hidden": Value(RemovedInstance.HIDDEN)}
    source = rows.order_by().annotate(**marks).values_list(*_COPIED, "pk", "mark", "hidden")
    count = _insert_from(RemovedInstance, (*_COPIED, "instance_id", "removal_id", "state"), source)
    hidden = RemovedInstance.objects.filter(removal=removal, state=RemovedInstance.HIDDEN)
    Instance.objects.filter(pk__in=hidden.values("instance_id")).delete()
    return count


def bring_back(removal: Removal) -> int:
    """Move what a removal still hides back among the instances, every column as it was; returns how many."""
    hidden = removal.items.filter(state=RemovedInstance.HIDDEN)
    count = _insert_from(Instance, ("id", *_COPIED), hidden.order_by().values_list("instance_id", *_COPIED))
    hidden.update(state=RemovedInstance.RESTORED, segment=None)
    return count


def note_replaced(sop_instance_uids: Collection[str]) -> None:
    """Give up on hidden instances whose UIDs were stored anew: they cannot be restored any more."""
    hidden = RemovedInstance.objects.filter(
        sop_instance_uid__in=sop_instance_uids, state=RemovedInstance.HIDDEN
    )
    hidden.update(state=RemovedInstance.REPLACED)


def erasable(now: datetime) -> QuerySet[RemovedInstance]:
    """Return the removed instances whose bytes need not be kept any longer, and lie in a segment still."""
    over = Q(state=RemovedInstance.REPLACED) | Q(removal__recoverable_until__lte=now)
    return RemovedInstance.objects.filter(over, segment__isnull=False)


def erase(segment_ids: Collection[int], now: datetime) -> int:
    """Let go of the bytes of what is erasable in these segments; returns how many.

    Call it in the transaction that leaves them out of a new pack. The rows stay, as the record of what was.
    """
    over = erasable(now).filter(segment__in=segment_ids)
    over.filter(state=RemovedInstance.HIDDEN).update(state=RemovedInstance.ERASED)
    return over.update(segment=None, frame_table=None, bulk_table=None)


def _insert_from(model: type[Model], columns: tuple[str, ...], source: QuerySet[Model, object]) -> int:
    """Insert what a query selects, in the order of the columns; no row passes through this process."""
    fields = {f.attname: f.column for f in model._meta.concrete_fields}
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(fields[column])) for column in columns)
    select, parameters = source.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {quote(model._meta.db_table)} ({names}) {select}", parameters)
        return int(cursor.rowcount)
