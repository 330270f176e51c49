"""Case 7: the same thing asked for a hundred times at once, and two planners at once: planned once."""

import pytest
from django.db import connection

from registry import changes
from registry.models import Change, ChangeCursor, Destination, Subscription
from repository.delivery.duties import plan_deliveries
from repository.models import Delivery, DeliveryItem
from tests.crash.oracles import assert_exactly, assert_no_delivery_lost, uids_of
from tests.crash.workers import send_all
from tests.repository.delivery.conftest import run_side_by_side
from tests.support.sink import Sink, Ward

pytestmark = pytest.mark.django_db(transaction=True)

STUDIES = 12
PLANNERS = 6
REPEATS = 100


def plan() -> None:
    try:
        plan_deliveries()
    finally:
        connection.close()


def test_two_planners_and_more_plan_once(region, make_quiet, system: Ward) -> None:
    studies = [make_quiet(instances=2) for _ in range(STUDIES)]
    run_side_by_side(plan, PLANNERS)
    assert Delivery.objects.count() == STUDIES
    assert DeliveryItem.objects.count() == 2 * STUDIES
    send_all()
    assert_exactly(system, uids_of(*studies))
    assert len(system.stored) == 2 * STUDIES
    assert_no_delivery_lost(system)


def test_a_feed_that_says_it_a_hundred_times_plans_once(region, make_quiet, sink: Sink) -> None:
    other = Destination.objects.create(department=region.ward, name="archive", url=sink.url_of("archive"))
    Subscription.objects.create(department=region.ward, destination=other, filter={"modality": ["CT"]})
    study = make_quiet(instances=2)

    def repeat() -> None:
        try:
            for _ in range(REPEATS // PLANNERS):
                changes.append(
                    "study_quiet", study.study_instance_uid, {"generation": study.quiet_generation}
                )
                plan_deliveries()
        finally:
            connection.close()

    run_side_by_side(repeat, PLANNERS)
    plan_deliveries()
    assert Change.objects.filter(kind="study_quiet").count() > 90
    assert Delivery.objects.count() == 2
    send_all()
    assert sorted(sink.ward("ward").stored) == sorted(sink.ward("archive").stored) == sorted(uids_of(study))


def test_a_planner_whose_cursor_was_lost_plans_nothing_twice(region, make_quiet, system: Ward) -> None:
    studies = [make_quiet(instances=2) for _ in range(3)]
    send_all()
    ChangeCursor.objects.all().delete()
    send_all()
    assert Delivery.objects.count() == 3
    assert sorted(system.stored) == sorted(uids_of(*studies))
