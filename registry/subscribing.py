"""Keeping what departments subscribe to: each statement is checked before it is kept, and said in the access log."""

from dataclasses import dataclass, field, fields
from typing import Any

from django.db.models import QuerySet

from access import audit
from access.actor import Actor
from access.database import run_write
from access.models import Department
from access.reach import SUBSCRIPTIONS, departments_kept_by
from registry.hours import check_hours
from registry.models import Destination, Subscription
from registry.noted import InvalidEntry, UnknownEntry, require_right
from registry.wishes.filter import STATES, read_filter
from registry.wishes.priorities import PRIORITIES

WANTS = ("images", "sr", "key_images", "priors", "request", "report")
MOST_WEIGHT, MOST_PRIORS, MOST_PRIOR_YEARS = 100, 20, 50


@dataclass(frozen=True, slots=True)
class SubscriptionDraft:
    """A subscription as somebody wants it; the fields are those of `Subscription`."""

    destination: Destination
    name: str = ""
    filter: dict[str, Any] = field(default_factory=dict)
    wants: list[str] = field(default_factory=list)
    from_state: str = "complete"
    priority: str = "normal"
    weight: int = 1
    window: list[dict[str, Any]] = field(default_factory=list)
    max_priors: int = 3
    max_prior_years: int = 10
    active: bool = True


def subscriptions_kept_by(actor: Actor) -> QuerySet[Subscription]:
    """Return the subscriptions that the actor may keep, by department, the oldest first."""
    rows = Subscription.objects.select_related("department__unit", "destination__department__unit")
    rows = rows.filter(department__in=departments_kept_by(actor))
    return rows.order_by("department__unit__name", "department__name", "pk")


def draft_of(row: Subscription) -> SubscriptionDraft:
    """Return a subscription as a draft that changes nothing."""
    return SubscriptionDraft(**{item.name: getattr(row, item.name) for item in fields(SubscriptionDraft)})


def subscribe(
    actor: Actor, department: Department, draft: SubscriptionDraft, *, door: str = ""
) -> Subscription:
    """Let a department subscribe; what is stored from now on is held against it.

    Raises
    ------
    MissingRight, UnknownEntry
        The actor keeps no subscriptions, or not those of this department.
    UnknownFilter, InvalidEntry
        What was stated is no subscription; the message says where and why.
    """
    require_right(actor, SUBSCRIPTIONS, "subscription_add", door=door)
    if not departments_kept_by(actor).filter(pk=department.pk).exists():
        raise UnknownEntry("no such department")
    check_draft(draft, department)
    row = Subscription(department=department, created_by=actor.subject[:200])

    def write() -> Subscription:
        _write(row, draft)
        _record(actor, "subscription_add", row, door, sorted(list_values(draft)))
        return row

    return run_write(write)


def change_subscription(
    actor: Actor, row: Subscription, draft: SubscriptionDraft, *, door: str = ""
) -> Subscription:
    """Change a subscription; it holds for what is planned from now on.

    Raises
    ------
    MissingRight, UnknownEntry, UnknownFilter, InvalidEntry
        As `subscribe` does.
    """
    _require_kept(actor, row, "subscription_change", door)
    check_draft(draft, row.department)
    before, after = list_values(draft_of(row)), list_values(draft)

    def write() -> Subscription:
        _write(row, draft)
        changed = sorted(name for name, value in after.items() if before[name] != value)
        _record(actor, "subscription_change", row, door, changed)
        return row

    return run_write(write)


def end_subscription(actor: Actor, row: Subscription, *, door: str = "") -> None:
    """Remove a subscription: what only it asked for and has not gone is withdrawn when it comes to its turn."""
    _require_kept(actor, row, "subscription_end", door)

    def write() -> None:
        _record(actor, "subscription_end", row, door, sorted(list_values(draft_of(row))))
        row.delete()

    run_write(write)


def make_unsaved(department: Department, draft: SubscriptionDraft) -> Subscription:
    """Return the subscription that a draft would be, to be read as a sentence or held against the past.

    Raises
    ------
    UnknownFilter, InvalidEntry
        As `subscribe` does.
    """
    check_draft(draft, department)
    return Subscription(
        department=department, **{item.name: getattr(draft, item.name) for item in fields(draft)}
    )


def check_draft(draft: SubscriptionDraft, department: Department) -> None:
    """Hold a draft to what a subscription of that department can be.

    Raises
    ------
    UnknownFilter, InvalidEntry
    """
    if draft.destination.department_id != department.pk:
        raise InvalidEntry("destination: it receives for another department")
    read_filter(draft.filter)
    _check_choice("from_state", draft.from_state, STATES)
    _check_choice("priority", draft.priority, PRIORITIES)
    for want in draft.wants:
        _check_choice("wants", want, WANTS)
    check_hours(draft.window, "window")
    limits = (
        ("weight", 1, MOST_WEIGHT),
        ("max_priors", 0, MOST_PRIORS),
        ("max_prior_years", 0, MOST_PRIOR_YEARS),
    )
    for name, least, most in limits:
        if not least <= getattr(draft, name) <= most:
            raise InvalidEntry(f"{name}: {getattr(draft, name)} is not from {least} to {most}")
    if len(draft.name) > 100 or "\0" in draft.name:
        raise InvalidEntry("name: at most 100 characters, none of them NUL")


def list_values(draft: SubscriptionDraft) -> dict[str, Any]:
    """Return the fields of a draft by name, the destination as its key."""
    return {
        item.name: draft.destination.pk if item.name == "destination" else getattr(draft, item.name)
        for item in fields(draft)
    }


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidEntry(f"{name}: {str(value)[:30]!r} is none of {', '.join(known)}")


def _require_kept(actor: Actor, row: Subscription, action: str, door: str) -> None:
    require_right(actor, SUBSCRIPTIONS, action, door=door)
    if not subscriptions_kept_by(actor).filter(pk=row.pk).exists():
        raise UnknownEntry("no such subscription")


def _write(row: Subscription, draft: SubscriptionDraft) -> None:
    for item in fields(draft):
        setattr(row, item.name, getattr(draft, item.name))
    row.save()


def _record(actor: Actor, action: str, row: Subscription, door: str, changed: list[str]) -> None:
    audit.record(
        actor,
        action,
        door=door,
        detail={
            "row": f"subscription:{row.pk}",
            "department": row.department.hsa_id,
            "destination": row.destination_id,
            "filter": row.filter,
            "fields": changed,
        },
    )
