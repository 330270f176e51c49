"""Which provider may read whose studies, and by which agreement."""

from datetime import timedelta

import pytest
from django.utils import timezone

from access.agreements import agreements_between, readable_providers
from access.epochs import raise_access_epoch
from access.models import CareProvider, SharingAgreement

pytestmark = pytest.mark.django_db


@pytest.fixture
def providers():
    return [CareProvider.objects.create(hsa_id=f"SE-P{n}", name=f"Provider {n}") for n in range(4)]


def agree(kind, *parties, **values):
    row = SharingAgreement.objects.create(name=f"{kind} {len(parties)}", kind=kind, **values)
    row.parties.set(parties)
    raise_access_epoch()
    return row


def test_cohesive_documentation_works_both_ways_and_between_its_parties_only(providers):
    region, private, municipal, stranger = providers
    agree("cohesive", region, private)
    agree("cohesive", region, municipal)
    assert readable_providers(region.pk) == ({private.pk, municipal.pk}, set())
    assert readable_providers(private.pk) == ({region.pk}, set())
    assert readable_providers(municipal.pk) == ({region.pk}, set())
    assert readable_providers(stranger.pk) == (set(), set())
    assert readable_providers(None) == (set(), set())


def test_a_processor_reads_for_its_commissioner_and_never_the_other_way(providers):
    region, private, other, _ = providers
    agree("processor_on_behalf", private, other, commissioner=region)
    assert readable_providers(private.pk) == (set(), {region.pk})
    assert readable_providers(other.pk) == (set(), {region.pk})
    assert readable_providers(region.pk) == (set(), set())


def test_disclosure_opens_nothing_to_read(providers):
    agree("disclosure", providers[0], providers[1])
    assert readable_providers(providers[0].pk) == (set(), set())


def test_an_agreement_holds_within_its_time(providers):
    region, private, *_ = providers
    now = timezone.now()
    agree("cohesive", region, private, valid_from=now + timedelta(hours=1), valid_to=now + timedelta(hours=2))
    for minutes, holds in ((0, False), (59, False), (60, True), (119, True), (120, False), (300, False)):
        moment = now + timedelta(minutes=minutes)
        assert (readable_providers(region.pk, moment).cohesive == {private.pk}) is holds, minutes
        assert bool(agreements_between([region.pk, private.pk], moment)) is holds, minutes


def test_an_agreement_that_begins_by_itself_is_seen_at_that_moment(providers):
    """No change raises the epoch then: what is kept must end by the clock."""
    region, private, *_ = providers
    now = timezone.now()
    agree("cohesive", region, private, valid_from=now + timedelta(seconds=2))
    assert readable_providers(region.pk, now).cohesive == set()
    assert readable_providers(region.pk, now + timedelta(seconds=1)).cohesive == set()
    assert readable_providers(region.pk, now + timedelta(seconds=2)).cohesive == {private.pk}


def test_what_is_known_costs_the_epoch_only_and_ends_with_it(providers, django_assert_num_queries):
    region, private, *_ = providers
    row = agree("cohesive", region, private)
    readable_providers(region.pk)
    with django_assert_num_queries(1):
        assert readable_providers(region.pk).cohesive == {private.pk}
    with django_assert_num_queries(0):
        assert readable_providers(region.pk, epoch=1).cohesive == {private.pk}
    SharingAgreement.objects.filter(pk=row.pk).update(valid_to=timezone.now())
    raise_access_epoch()
    assert readable_providers(region.pk).cohesive == set()


def test_the_agreements_between_providers_are_named(providers):
    region, private, municipal, _ = providers
    wide = agree("cohesive", region, private, municipal)
    narrow = agree("processor_on_behalf", private, commissioner=region, days_after_final=14)
    now = timezone.now()
    assert [row.pk for row in agreements_between([region.pk, private.pk], now)] == [wide.pk, narrow.pk]
    assert [row.pk for row in agreements_between([private.pk, municipal.pk], now)] == [wide.pk]
    found = agreements_between([private.pk, region.pk], now)[1]
    assert (found.kind, found.commissioner_id, found.days_after_final) == (
        "processor_on_behalf",
        region.pk,
        14,
    )
    assert found.party_ids == {region.pk, private.pk}
