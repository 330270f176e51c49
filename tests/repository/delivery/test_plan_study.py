"""When a study is planned, what of it, and how what is asked for joins what is planned already."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry import changes
from registry.models import (
    Destination,
    Harmonised,
    Instance,
    Order,
    Report,
    ReportVersion,
    Study,
    Subscription,
)
from registry.study_state import note_reports
from repository.delivery.duties import note_quiet_studies
from repository.delivery.planning.plan import plan_deliveries
from repository.models import Delivery, DeliveryItem
from tests.registry.factories import make_study
from tests.repository.delivery.test_plan import add_instance, items_of

pytestmark = pytest.mark.django_db

CT, SR, KEY_OBJECT = (
    "1.2.840.10008.5.1.4.1.1.2",
    "1.2.840.10008.5.1.4.1.1.88.11",
    "1.2.840.10008.5.1.4.1.1.88.59",
)
PDF, PRESENTATION = "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.11.1"


@pytest.fixture
def change_subscription(region):
    def act(**values) -> Subscription:
        Subscription.objects.filter(pk=region.subscription.pk).update(**values)
        return Subscription.objects.get(pk=region.subscription.pk)

    return act


@pytest.fixture
def make_stored(region):
    """Make a study that was just stored to, and is still being stored to; `study=` adds an instance to one."""

    def act(study: Study | None = None, **values) -> Study:
        due_at = timezone.now() + timedelta(seconds=5)
        if study is None:
            study = make_study(region.hospital, quiet_due_at=due_at, **values)
        else:
            add_instance(study)
        changes.append("store", study.study_instance_uid, {})
        return study

    return act


def finish(study: Study, status: str = "final") -> None:
    """Let a report of the study come."""
    report = Report.objects.create(patient=study.person, filler_number=f"R{Report.objects.count()}")
    report.studies.add(study)
    ReportVersion.objects.create(report=report, number=1, status=status, authored_at=timezone.now())
    note_reports(Study.objects.get(pk=study.pk))
    changes.append("report_version", study.study_instance_uid, {"report": report.pk})


def test_what_waits_for_a_complete_study_takes_no_single_store(region, make_stored, make_quiet):
    study = make_stored()
    assert plan_deliveries() == frozenset()
    make_quiet(study)
    assert plan_deliveries() == {"normal"}


def test_what_takes_a_study_in_progress_takes_every_store(make_stored, make_quiet, change_subscription):
    change_subscription(from_state="in_progress")
    study = make_stored()
    assert plan_deliveries() == {"normal"}
    DeliveryItem.objects.update(state="delivered")
    Delivery.objects.update(state="delivered")
    make_stored(study)
    plan_deliveries()
    DeliveryItem.objects.update(state="delivered")
    Delivery.objects.update(state="delivered")
    make_quiet(study)
    plan_deliveries()
    assert list(Delivery.objects.order_by("pk").values_list("generation", flat=True)) == [1, 2]
    add_instance(study)
    make_quiet(study)
    plan_deliveries()
    assert list(Delivery.objects.order_by("pk").values_list("generation", flat=True)) == [1, 2, 3]
    assert [delivery.items.count() for delivery in Delivery.objects.order_by("pk")] == [1, 1, 1]


def test_stores_that_were_not_sent_yet_go_together(make_stored, change_subscription):
    change_subscription(from_state="in_progress")
    study = make_stored()
    plan_deliveries()
    make_stored(study)
    make_stored(study)
    plan_deliveries()
    first, second = Delivery.objects.order_by("generation")
    assert (first.state, second.state) == ("superseded", "ready")
    assert first.ended_at is not None
    assert second.items.count() == 3


def test_what_is_urgent_does_not_wait_for_a_complete_study(make_stored, change_subscription):
    change_subscription(priority="urgent")
    make_stored()
    assert plan_deliveries() == {"urgent"}


@pytest.mark.parametrize("priority", ["normal", "urgent"])
def test_what_waits_for_a_verified_study_goes_with_the_final_report(
    make_quiet, change_subscription, priority
):
    change_subscription(from_state="verified", priority=priority)
    study = make_quiet()
    finish(study, "preliminary")
    assert plan_deliveries() == frozenset()
    finish(study)
    assert plan_deliveries() == {priority}


def test_a_filter_that_asks_for_a_final_report_is_asked_again_when_one_comes(make_quiet, change_subscription):
    change_subscription(filter={"report_final": True})
    study = make_quiet()
    assert plan_deliveries() == frozenset()
    finish(study)
    assert plan_deliveries() == {"normal"}


@pytest.mark.parametrize(
    ("wants", "classes"),
    [
        ([], {CT, SR, PDF, KEY_OBJECT, PRESENTATION}),
        (["images", "sr", "key_images"], {CT, SR, PDF, KEY_OBJECT, PRESENTATION}),
        (["images"], {CT}),
        (["sr", "report"], {SR, PDF}),
        (["key_images"], {KEY_OBJECT, PRESENTATION}),
        (["report"], set()),
    ],
)
def test_only_what_is_wanted_of_a_study_is_planned(make_quiet, change_subscription, wants, classes):
    change_subscription(wants=wants)
    study = make_quiet(instances=5)
    rows = list(Instance.objects.filter(series__study=study).order_by("pk"))
    for row, sop_class_uid in zip(rows, (CT, SR, PDF, KEY_OBJECT, PRESENTATION), strict=True):
        Instance.objects.filter(pk=row.pk).update(sop_class_uid=sop_class_uid)
    plan_deliveries()
    uids = set().union(*map(items_of, Delivery.objects.all()))
    found = Instance.objects.filter(sop_instance_uid__in=uids).values_list("sop_class_uid", flat=True)
    assert set(found) == classes


def test_two_subscriptions_of_a_destination_want_what_one_of_them_wants(
    region, make_quiet, change_subscription
):
    change_subscription(wants=["images"])
    Subscription.objects.create(
        department=region.ward, destination=region.destination, wants=["sr"], priority="bulk"
    )
    study = make_quiet(instances=3)
    pks = list(Instance.objects.filter(series__study=study).order_by("pk").values_list("pk", flat=True))
    Instance.objects.filter(pk=pks[1]).update(sop_class_uid=SR)
    Instance.objects.filter(pk=pks[2]).update(sop_class_uid=KEY_OBJECT)
    assert plan_deliveries() == {"normal"}
    assert len(items_of(Delivery.objects.get())) == 2


def test_a_later_subscription_joins_what_waits_and_hurries_it(region, make_quiet):
    study = make_quiet()
    plan_deliveries()
    before = Delivery.objects.get()
    urgent = Subscription.objects.create(
        department=region.ward, destination=region.destination, priority="urgent"
    )
    changes.append("report_version", study.study_instance_uid, {})
    assert plan_deliveries() == {"urgent"}
    delivery = Delivery.objects.get()
    assert delivery.subscription_ids == [region.subscription.pk, urgent.pk]
    assert (delivery.priority, delivery.priority_rank) == ("urgent", 0)
    assert delivery.deadline_at < before.deadline_at


def test_a_study_whose_words_are_mapped_is_planned_anew_while_it_is_recent(make_quiet, change_subscription):
    change_subscription(filter={"body_region": ["774007"]})
    recent, old = make_quiet(), make_quiet()
    Study.objects.filter(pk=old.pk).update(last_instance_at=timezone.now() - timedelta(days=30))
    assert plan_deliveries() == frozenset()
    for study in (recent, old):
        Harmonised.objects.create(study=study, version=2, body_regions=["774007"], made_at=timezone.now())
        changes.append("harmonised", study.study_instance_uid)
    assert plan_deliveries() == {"normal"}
    assert Delivery.objects.get().study == recent


def test_an_order_that_comes_after_the_images_makes_them_an_emergency(make_quiet, change_subscription):
    change_subscription(filter={"emergency": True}, priority="urgent")
    study = make_quiet()
    assert plan_deliveries() == frozenset()
    order = Order.objects.create(patient=study.person, accession_number="A1", urgency="urgent")
    order.studies.add(study)
    changes.append("order_changed", study.study_instance_uid, {"order": order.pk})
    assert plan_deliveries() == {"urgent"}


def test_a_study_of_merged_persons_is_planned_anew(make_quiet, change_subscription):
    change_subscription(filter={"residence": ["582"]})
    study = make_quiet()
    assert plan_deliveries() == frozenset()
    study.person.postal_code = "582 25"
    study.person.save()
    changes.append("patient_merged", study.study_instance_uid, {"merge": 1})
    assert plan_deliveries() == {"normal"}


def test_a_report_does_not_send_refused_images_again(make_quiet):
    study = make_quiet()
    plan_deliveries()
    DeliveryItem.objects.update(state="failed")
    Delivery.objects.update(state="dead", reason_code="instances_refused")
    finish(study)
    assert plan_deliveries() == frozenset()
    assert Delivery.objects.count() == 1


def test_what_an_operator_holds_stays_held_and_is_not_sent_beside(make_quiet):
    study = make_quiet()
    plan_deliveries()
    Delivery.objects.update(state="held")
    late = add_instance(study)
    make_quiet(study)
    plan_deliveries()
    held, new = Delivery.objects.order_by("generation")
    assert (held.state, new.state) == ("held", "ready")
    assert items_of(new) == {late}


def test_a_subscription_whose_filter_cannot_be_read_stops_no_other(region, make_quiet, change_subscription):
    other = Destination.objects.create(
        department=region.ward, name="other", url="https://example.org/studies"
    )
    Subscription.objects.create(department=region.ward, destination=other)
    change_subscription(filter={"colour": ["red"]})
    make_quiet()
    assert plan_deliveries() == {"normal"}
    assert Delivery.objects.get().destination == other


def test_a_late_image_of_a_verified_study_goes_to_who_waits_for_verified_ones(
    make_quiet, change_subscription
):
    change_subscription(from_state="verified")
    study = make_quiet()
    finish(study)
    plan_deliveries()
    DeliveryItem.objects.update(state="delivered")
    Delivery.objects.update(state="delivered")
    late = add_instance(study)
    Study.objects.filter(pk=study.pk).update(
        state="in_progress", quiet_due_at=timezone.now() - timedelta(seconds=1)
    )
    assert note_quiet_studies() == 1
    assert Study.objects.get(pk=study.pk).state == "verified"
    assert plan_deliveries() == {"normal"}
    assert items_of(Delivery.objects.get(generation=2)) == {late}
