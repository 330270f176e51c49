"""Which subscriptions a study satisfies."""

import pytest

from access.models import CareProvider
from registry.models import Destination, Subscription
from registry.wishes.find import find_wishes
from registry.wishes.priorities import PRIORITIES, rank_priority
from tests.registry.factories import make_department, make_study

pytestmark = pytest.mark.django_db
QUERIES = 9
"""Subscriptions, destinations, and what filters ask of a study that is not harmonised yet."""


@pytest.fixture
def provider():
    return CareProvider.objects.create(hsa_id="SE-P", name="Region")


@pytest.fixture
def hospital(provider):
    return make_department(provider)


def subscribe(department, *modalities: str, name: str = "PACS", **values) -> Subscription:
    destination, _ = Destination.objects.get_or_create(
        department=department, name=name, defaults={"url": "https://example.org/studies"}
    )
    return Subscription.objects.create(
        department=department,
        destination=destination,
        filter={"modality": list(modalities)} if modalities else {},
        **values,
    )


def test_priorities_are_ranked():
    assert [rank_priority(p) for p in PRIORITIES] == [0, 1, 2, 3]


def test_one_modality_of_a_study_is_enough(provider, hospital):
    wanted = subscribe(make_department(provider), "PT")
    subscribe(make_department(provider), "MR")
    everything = subscribe(make_department(provider))
    wishes = find_wishes(make_study(hospital, modalities=("CT", "PT")))
    assert [w.subscription_ids for w in wishes] == [(wanted.pk,), (everything.pk,)]


def test_one_wish_a_destination_with_the_highest_priority(provider, hospital):
    ward = make_department(provider)
    first = subscribe(ward, "CT", priority="bulk")
    second = subscribe(ward, priority="urgent")
    (wish,) = find_wishes(make_study(hospital))
    assert wish.priority == "urgent"
    assert wish.subscription_ids == (first.pk, second.pk)


def test_a_department_does_not_get_its_own_study_back(provider, hospital):
    subscribe(hospital)
    assert find_wishes(make_study(hospital)) == ()


def test_a_study_without_custodian_goes_to_everyone(provider, hospital):
    subscription = subscribe(hospital)
    study = make_study(hospital)
    study.custodian = None
    assert [w.subscription_ids for w in find_wishes(study)] == [(subscription.pk,)]


def test_what_is_switched_off_wants_nothing(provider, hospital):
    subscribe(make_department(provider), active=False)
    off = subscribe(make_department(provider))
    Destination.objects.filter(pk=off.destination_id).update(active=False)
    assert find_wishes(make_study(hospital)) == ()


def test_the_queries_do_not_grow_with_the_subscriptions(provider, hospital, django_assert_num_queries):
    for number in range(5):
        subscribe(make_department(provider), name=str(number))
    study = make_study(hospital)
    with django_assert_num_queries(QUERIES):
        wishes = find_wishes(study)
        assert len({w.destination.department.unit.provider_id for w in wishes}) == 1
