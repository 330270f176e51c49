"""The demo's distribution: every kind of outcome that its board shows comes about by itself."""

import pytest

from deploy.demo.archive import bind_demo_archive
from deploy.demo.distribution import RECEIVERS, create_receivers
from deploy.demo.organisation import create_organisation, create_subscriptions
from deploy.region.facts import RegionSize
from deploy.region.plan import plan_region
from registry.models import Destination, Subscription
from registry.wishes.sentence import write_sentence
from repository.delivery.receivers.kinds import kind_of
from repository.delivery.receivers.probing import probe
from tests.support.dicom import StudyFacts, iterate_multipart, make_boundary, make_series
from tests.support.http import make_pool, store_stream

pytestmark = pytest.mark.django_db


@pytest.fixture
def region():
    planned = plan_region(RegionSize(patients=1, studies=1))
    create_organisation(planned)
    create_subscriptions(planned)
    create_receivers(planned)
    return planned


def test_there_are_receivers_of_several_kinds_each_with_a_subscription(region):
    kinds = {kind_of(row.url) for row in Destination.objects.all()}
    assert kinds == {"stow", "dimse", "worklist"}
    assert Subscription.objects.count() == Destination.objects.count() == 3 + len(RECEIVERS)
    for row in Subscription.objects.select_related("destination", "department"):
        assert "cannot be read" not in write_sentence(row)
    create_receivers(region)
    assert Destination.objects.count() == 3 + len(RECEIVERS), "running it again adds nothing"


def test_one_does_not_answer_and_one_refuses(region):
    bound = bind_demo_archive()
    bound.serve()
    try:
        assert probe(Destination.objects.get(name="Gamla arkivet")).error
        refusing = Destination.objects.get(name="Strokeregistret")
        assert refusing.active
        assert probe(refusing).answers, "it answers searches, so that its breaker stays closed"
        boundary = make_boundary()
        parts = iterate_multipart([iter([file]) for file in make_series(StudyFacts(), 1)], boundary)
        url = refusing.url.removesuffix("/studies")
        assert store_stream(make_pool(), url, "token", parts, boundary).status == 422
    finally:
        bound.close()
