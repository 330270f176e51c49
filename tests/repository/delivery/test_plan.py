"""From a quiet study to a delivery."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from access.models import CareProvider
from registry import changes
from registry.models import Change, Destination, Instance, Share, Study, Subscription
from repository.delivery.duties import note_quiet_studies
from repository.delivery.planning.plan import READER, plan_deliveries
from repository.delivery.queue.basis import release_awaiting
from repository.models import Delivery, DeliveryItem
from tests.registry.factories import make_department, make_study, make_uid
from tests.repository.delivery.conftest import run_side_by_side


def add_instance(study: Study) -> str:
    known = Instance.objects.filter(series__study=study).first()
    assert known is not None
    known.pk = None
    known.sop_instance_uid = make_uid()
    known.save()
    return known.sop_instance_uid


def items_of(delivery: Delivery) -> set[str]:
    return set(delivery.items.values_list("sop_instance_uid", flat=True))


def test_plans_a_study_for_a_subscribed_department(region, make_quiet):
    study = make_quiet(instances=3)
    assert plan_deliveries() == {"normal"}
    delivery = Delivery.objects.get()
    assert (delivery.study, delivery.destination, delivery.generation) == (study, region.destination, 1)
    assert delivery.state == "ready"
    assert delivery.subscription_ids == [region.subscription.pk]
    assert delivery.deadline_at - delivery.planned_at == timedelta(hours=24)
    uids = Instance.objects.filter(series__study=study).values_list("sop_instance_uid", flat=True)
    assert items_of(delivery) == set(uids)
    assert len(uids) == 3


def test_plans_nothing_for_another_modality(region, make_quiet):
    make_quiet(modalities=("MR",))
    assert plan_deliveries() == frozenset()
    assert not Delivery.objects.exists()


def test_joins_subscriptions_of_one_destination_under_the_highest_priority(region, make_quiet):
    urgent = Subscription.objects.create(
        department=region.ward, destination=region.destination, priority="urgent"
    )
    make_quiet()
    assert plan_deliveries() == {"urgent"}
    delivery = Delivery.objects.get()
    assert (delivery.priority, delivery.priority_rank) == ("urgent", 0)
    assert delivery.subscription_ids == [region.subscription.pk, urgent.pk]
    assert delivery.deadline_at - delivery.planned_at == timedelta(hours=1)


def test_reading_the_feed_again_plans_nothing_twice(region, make_quiet):
    make_quiet()
    plan_deliveries()
    assert plan_deliveries() == frozenset()
    changes.save_cursor(READER, 0)
    assert plan_deliveries() == frozenset()
    assert Delivery.objects.count() == 1
    assert DeliveryItem.objects.count() == 1


def test_a_later_generation_carries_only_what_is_missing(region, make_quiet):
    study = make_quiet(instances=2)
    plan_deliveries()
    Delivery.objects.update(state="delivered")
    DeliveryItem.objects.update(state="delivered")
    late = add_instance(study)
    make_quiet(study)
    plan_deliveries()
    assert items_of(Delivery.objects.get(generation=2)) == {late}


def test_a_later_generation_takes_over_what_was_not_begun(region, make_quiet):
    study = make_quiet(instances=2)
    plan_deliveries()
    add_instance(study)
    make_quiet(study)
    plan_deliveries()
    first, second = Delivery.objects.order_by("generation")
    assert first.state == "superseded"
    assert len(items_of(second)) == 3


def test_a_later_generation_leaves_alone_what_is_being_sent(region, make_quiet):
    study = make_quiet(instances=2)
    plan_deliveries()
    Delivery.objects.update(state="sending")
    late = add_instance(study)
    make_quiet(study)
    plan_deliveries()
    first, second = Delivery.objects.order_by("generation")
    assert first.state == "sending"
    assert items_of(second) == {late}


def test_a_quiet_study_with_nothing_new_makes_no_delivery(region, make_quiet):
    study = make_quiet()
    plan_deliveries()
    Delivery.objects.update(state="delivered")
    DeliveryItem.objects.update(state="delivered")
    make_quiet(study)
    plan_deliveries()
    assert Delivery.objects.count() == 1


def test_a_disputed_identity_is_held_until_it_is_settled(region, make_quiet):
    study = make_quiet(in_conflict=True)
    study.homes.update(unit=None)
    assert plan_deliveries() == frozenset()
    assert Delivery.objects.get().state == "awaiting_basis"
    assert Delivery.objects.get().reason_code == "in_conflict"
    assert release_awaiting() == 0
    Study.objects.update(in_conflict=False)
    study.homes.update(unit=region.hospital.unit)
    assert release_awaiting() == 1
    assert Delivery.objects.get().state == "ready"


def test_another_provider_without_a_basis_is_held(region, make_quiet):
    stranger = make_department(CareProvider.objects.create(hsa_id="SE-X", name="Private"))
    destination = Destination.objects.create(department=stranger, name="PACS", url="https://example.org/s")
    Subscription.objects.create(department=stranger, destination=destination)
    make_quiet()
    assert plan_deliveries() == {"normal"}
    assert Delivery.objects.get(destination=destination).reason_code == "no_basis"
    assert Delivery.objects.get(destination=region.destination).state == "ready"


def test_a_study_that_is_gone_is_passed_over(region, make_quiet):
    changes.append("study_quiet", "1.2.3", {"generation": 1})
    make_quiet()
    plan_deliveries()
    assert Delivery.objects.count() == 1


def test_notes_a_study_quiet_once_and_only_when_due(region):
    now = timezone.now()
    due = make_study(region.hospital, quiet_due_at=now - timedelta(seconds=1))
    later = make_study(region.hospital, quiet_due_at=now + timedelta(hours=1))
    assert note_quiet_studies() == 1
    assert note_quiet_studies() == 0
    due.refresh_from_db()
    later.refresh_from_db()
    assert (due.quiet_generation, due.quiet_due_at, due.state) == (1, None, "complete")
    assert (later.quiet_generation, later.state) == (0, "in_progress")
    change = Change.objects.get(kind="study_quiet")
    assert (change.study_instance_uid, change.detail) == (due.study_instance_uid, {"generation": 1})


@pytest.mark.django_db(transaction=True)
def test_planners_and_watchers_side_by_side_plan_everything_once(region):
    now = timezone.now()
    for _ in range(30):
        make_study(region.hospital, quiet_due_at=now)

    def work() -> None:
        try:
            for _ in range(3):
                note_quiet_studies()
                plan_deliveries()
        finally:
            connection.close()

    run_side_by_side(work, 4)
    plan_deliveries()
    assert Change.objects.filter(kind="study_quiet").count() == 30
    assert Delivery.objects.count() == 30
    assert DeliveryItem.objects.count() == 30


def test_what_is_delivered_is_open_to_the_receiving_departments_systems(region, make_quiet):
    study = make_quiet()
    plan_deliveries()
    share = Share.objects.get()
    assert (share.study, share.department, share.basis) == (study, region.ward, "delivery")
    make_quiet(study)
    add_instance(study)
    plan_deliveries()
    assert Share.objects.count() == 1


def test_what_is_held_is_open_to_nobody_before_it_is_released(region, make_quiet):
    study = make_quiet(in_conflict=True)
    plan_deliveries()
    assert not Share.objects.exists()
    Study.objects.filter(pk=study.pk).update(in_conflict=False)
    assert release_awaiting() == 1
    assert Share.objects.get().department == region.ward
