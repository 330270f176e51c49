"""A care relation that begins brings the recent studies that a subscription by it missed, and nothing of the past."""

from datetime import timedelta

import pytest
from django.utils import timezone

from access.models import Department
from registry import changes
from registry.models import CareRelation, Destination, Encounter, Study, Subscription
from registry.relations import end_relation_of_encounter, relate_from_encounter, relate_from_referral
from repository.delivery.planning.plan import plan_deliveries
from repository.models import Delivery
from tests.registry.factories import make_relation
from tests.repository.delivery.test_mllp import change_order, take_report

pytestmark = pytest.mark.django_db


@pytest.fixture
def missed(region, make_quiet) -> Study:
    """A study that came before the ward had anything to do with the patient."""
    Subscription.objects.update(
        filter={"all": [{"modality": ["CT"]}, {"care_relation": ["unit"]}]}, wants=["images"]
    )
    study: Study = make_quiet()
    assert plan_deliveries() == frozenset()
    return study


def admit(study: Study, department: Department, number: str = "V1") -> Encounter:
    visit = Encounter.objects.create(
        patient=study.person, department=department, number=number, issuer="1.2", patient_class="I"
    )
    relate_from_encounter(visit)
    return visit


def planned() -> list[Study]:
    return [row.study for row in Delivery.objects.select_related("study").order_by("pk")]


def test_a_relation_that_begins_brings_what_came_before_it(region, missed):
    relate_from_referral(missed.person_id, region.ward.unit_id, "R1")
    assert plan_deliveries() == {"normal"}
    assert planned() == [missed]
    changes.append("relation", "", {"row": CareRelation.objects.latest("pk").pk})
    assert plan_deliveries() == frozenset()
    assert planned() == [missed]


def test_what_does_not_match_stays_behind(region, missed, make_quiet):
    other = make_quiet(modalities=("MR",))
    Study.objects.filter(pk=other.pk).update(person=missed.person)
    somebody_elses = make_quiet()
    admit(missed, region.ward)
    plan_deliveries()
    assert planned() == [missed]
    assert somebody_elses not in planned()


def test_what_is_older_than_a_week_stays_behind(region, missed):
    Study.objects.update(last_instance_at=timezone.now() - timedelta(days=8))
    admit(missed, region.ward)
    assert plan_deliveries() == frozenset()


def test_another_unit_an_ended_and_a_private_relation_bring_nothing(region, missed):
    admit(missed, region.hospital)
    ended = admit(missed, region.ward, "V2")
    end_relation_of_encounter(ended)
    Encounter.objects.all().delete()
    person = make_relation(missed.person, region.ward.unit, ended_at=timezone.now())
    changes.append("relation", "", {"row": person.pk})
    assert plan_deliveries() == frozenset()


def test_an_admission_brings_it_to_the_admitting_department(region, missed):
    Subscription.objects.update(filter={"care_relation": ["department"]})
    neighbour = Department.objects.create(unit=region.ward.unit, hsa_id="SE-NEXT", name="Next")
    visit = admit(missed, neighbour)
    assert plan_deliveries() == frozenset()
    Encounter.objects.filter(pk=visit.pk).update(department=region.ward)
    changes.append("relation", "", {"row": CareRelation.objects.latest("pk").pk})
    assert plan_deliveries() == {"normal"}
    assert planned() == [missed]


def test_subscriptions_without_it_are_not_asked_again(region, missed):
    Subscription.objects.update(filter={"modality": ["CT"]})
    admit(missed, region.ward)
    assert plan_deliveries() == frozenset()


def test_reports_and_requests_go_along(region, missed):
    Subscription.objects.update(wants=["report", "request"])
    Destination.objects.update(url="mllp://127.0.0.1:2575")
    take_report(missed, "F", "Ingen fraktur.")
    change_order(missed)
    plan_deliveries()
    assert not Delivery.objects.exists()
    relate_from_referral(missed.person_id, region.ward.unit_id, "R1")
    plan_deliveries()
    assert sorted(Delivery.objects.values_list("kind", flat=True)) == ["report", "request"]
