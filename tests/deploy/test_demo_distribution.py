"""The demo's distribution: every kind of outcome that its board shows comes about by itself."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pydicom.dataset import Dataset

from access.models import Department
from deploy.demo.archive import bind_demo_archive
from deploy.demo.distribution import RECEIVERS, create_receivers
from deploy.demo.organisation import create_organisation, create_subscriptions
from deploy.demo.recall import stage_recall
from deploy.duties import packs_source
from deploy.region.facts import RegionSize
from deploy.region.plan import plan_region
from registry.models import Destination, Removal, Subscription
from registry.wishes.sentence import write_sentence
from repository.delivery.duties import plan_deliveries, send_ready
from repository.delivery.receivers.kinds import kind_of
from repository.delivery.receivers.probing import probe
from repository.models import Delivery, Recall, RecallReceipt
from tests.repository.conftest import make_vendor
from tests.support.dicom import StudyFacts, iterate_multipart, make_boundary, make_series
from tests.support.http import make_pool, store_stream

pytestmark = pytest.mark.django_db

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def region(settings, tmp_path):
    settings.EXPORT_FOLDERS = [str(tmp_path / "export")]
    settings.OBJECTS_ROOT = tmp_path / "objects"
    planned = plan_region(RegionSize(patients=1, studies=1))
    create_organisation(planned)
    create_subscriptions(planned)
    create_receivers(planned)
    return planned


def test_there_are_receivers_of_several_kinds_each_with_a_subscription(region):
    kinds = {kind_of(row.url) for row in Destination.objects.all()}
    assert kinds == {"stow", "dimse", "worklist", "folder", "hl7v2", "fhir"}
    held = Destination.objects.exclude(held_reason="").values_list("name", flat=True)
    assert set(held) == {"Journalsystemet", "Hjärtregistret"}, "there is no such system here"
    assert not probe(Destination.objects.get(name="Undervisningsmappen")).error
    assert Subscription.objects.count() == Destination.objects.count() == 3 + len(RECEIVERS)
    for row in Subscription.objects.select_related("destination", "department"):
        assert "cannot be read" not in write_sentence(row)
    create_receivers(region)
    assert Destination.objects.count() == 3 + len(RECEIVERS), "running it again adds nothing"


def test_without_a_folder_that_may_be_written_to_there_is_no_such_receiver(settings):
    settings.EXPORT_FOLDERS = []
    planned = plan_region(RegionSize(patients=1, studies=1))
    create_organisation(planned)
    create_receivers(planned)
    assert Destination.objects.count() == len(RECEIVERS) - 1


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


def test_a_study_that_has_arrived_is_recalled_and_a_person_is_asked_at_one_receiver(region):
    hospital = next(each for each in region.hospitals if each.code == "SDS")
    vendor = make_vendor(Department.objects.get(hsa_id=hospital.departments[0].hsa_id), "mr")
    change = Dataset()
    change.Modality = "MR"
    files = make_series(StudyFacts(), 2, change=change, sop_class_uid=MR_IMAGE)
    assert vendor.store(*files).status_code == 200
    study = stage_recall()
    assert study is not None
    assert set(Delivery.objects.filter(study=study).values_list("destination__name", "state")) >= {
        ("Neurologklinikens bildarkiv", "delivered"),
        ("Forskningsarkivet", "delivered"),
    }
    assert Removal.objects.get().study == study
    assert stage_recall() is None, "one is enough"

    bound = bind_demo_archive()
    bound.serve()
    try:
        plan_deliveries()
        while send_ready("duties", packs_source()):
            pass
        plan_deliveries()
    finally:
        bound.close()
    states = dict(RecallReceipt.objects.values_list("destination__name", "state"))
    assert states["Neurologklinikens bildarkiv"] == "acknowledged"
    assert states["Forskningsarkivet"] == "task"
    assert Recall.objects.get().closed_at is None, "it is open, for the board to show"
    assert Delivery.objects.filter(not_before__gt=timezone.now() + timedelta(hours=1)).count() == 0


def test_without_a_study_that_anybody_wants_nothing_is_recalled(region):
    assert stage_recall() is None
    assert not Removal.objects.exists()
