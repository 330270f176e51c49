"""Sending the past to a subscription: the change feed is told of each study, and the planner plans what is missing."""

from datetime import date

from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.reach import REPLAY, departments_kept_by
from registry import changes
from registry.models import Subscription
from registry.noted import EndedEntry, InvalidEntry, UnknownEntry, require_right, require_text
from registry.wishes.past import find_past

AT_ONCE = 500
"""Studies in one transaction."""


def replay(
    actor: Actor, subscription: Subscription, since: date, until: date, reason: str, *, door: str = ""
) -> int:
    """Send the studies of a span of dates (both included) that a subscription matches, when there is room.

    What is there or on its way is not sent again, so that asking twice sends once; what was given up is tried again.

    Returns
    -------
    int
        How many studies match.

    Raises
    ------
    MissingRight, UnknownEntry
        The actor may not send deliveries again, or not those of this department.
    EndedEntry
        The subscription or its destination is switched off.
    InvalidEntry
        The span or the reason is wrong, or the filter cannot be read.
    """
    require_right(actor, REPLAY, "subscription_replay", door=door)
    if not departments_kept_by(actor).filter(pk=subscription.department_id).exists():
        raise UnknownEntry("no such subscription")
    if not subscription.active or not subscription.destination.active:
        raise EndedEntry("the subscription or its destination is switched off")
    if since > until:
        raise InvalidEntry(f"the span ends on {until}, before it begins on {since}")
    if since > timezone.localdate():
        raise InvalidEntry(f"the span begins on {since}, in the future: what comes is sent anyway")
    stated = require_text(reason, "the reason", least=3, most=400)
    rows = find_past(subscription, since, until).order_by("-study_date", "-pk")
    uids = list(rows.values_list("study_instance_uid", flat=True))
    detail = {
        "row": f"subscription:{subscription.pk}",
        "since": f"{since}",
        "until": f"{until}",
        "studies": len(uids),
        "stated_reason": stated,
    }
    run_write(lambda: audit.record(actor, "subscription_replay", door=door, detail=detail))
    for start in range(0, len(uids), AT_ONCE):
        run_write(lambda: _tell(subscription, uids[start : start + AT_ONCE]))  # noqa: B023 (called at once)
    return len(uids)


def _tell(subscription: Subscription, uids: list[str]) -> None:
    for uid in uids:
        changes.append("replay", uid, {"subscription": subscription.pk})
