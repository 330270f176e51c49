"""Urgent deliveries that are late: operators are told once, in the portal and by mail."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.models import Destination, Notice
from registry.noted import UnknownEntry
from registry.notices import list_notices, mark_seen
from repository.delivery.planning.plan import plan_deliveries
from repository.delivery.queue.deadlines import expire_overdue
from repository.delivery.queue.late import note_late_urgent
from repository.models import Delivery
from tests.registry.care import make_doctor


@pytest.fixture
def urgent(region, make_quiet) -> Delivery:
    region.subscription.priority = "urgent"
    region.subscription.save()
    make_quiet()
    plan_deliveries()
    row = Delivery.objects.get()
    assert row.priority_rank == 0
    return row


def let_pass(minutes: int) -> None:
    then = timezone.now() - timedelta(minutes=minutes)
    Delivery.objects.update(planned_at=then, deadline_at=then + timedelta(hours=1))


def test_operators_are_told_once_of_what_is_late(region, urgent):
    let_pass(59)
    assert note_late_urgent() == 0
    let_pass(61)
    assert note_late_urgent() == 1
    assert note_late_urgent() == 0
    operator = make_doctor(region.ward, "keep_destinations")
    [notice] = list_notices(operator)
    assert (notice.kind, notice.subject_row) == ("urgent_late", f"delivery:{urgent.pk}")
    mark_seen(operator, notice.pk)
    assert list_notices(operator, unseen_only=True) == []


def test_who_reviews_the_log_is_not_told(region, urgent):
    let_pass(61)
    note_late_urgent()
    reviewer = make_doctor(region.ward, "review_access")
    assert list_notices(reviewer) == []
    with pytest.raises(UnknownEntry):
        mark_seen(reviewer, Notice.objects.get().pk)


@pytest.mark.parametrize("state", ["ready", "sending", "awaiting_basis", "waiting_window", "held", "dead"])
def test_whatever_keeps_it(urgent, state):
    Delivery.objects.update(state=state)
    let_pass(61)
    assert note_late_urgent() == 1


@pytest.mark.parametrize("state", ["delivered", "withdrawn", "superseded"])
def test_what_has_ended_is_not_late(urgent, state):
    Delivery.objects.update(state=state)
    let_pass(61)
    assert note_late_urgent() == 0


def test_also_before_a_destination_that_is_held_where_nothing_expires(urgent):
    Destination.objects.update(held_reason="moving house")
    let_pass(61)
    assert expire_overdue() == 0
    assert note_late_urgent() == 1


def test_what_is_not_urgent_pages_nobody(region, make_quiet):
    make_quiet()
    plan_deliveries()
    let_pass(600)
    assert note_late_urgent() == 0
