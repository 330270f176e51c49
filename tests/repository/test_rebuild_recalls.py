"""The database is lost: what was asked back from receivers is known from the journal, and nobody is forgotten."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from access.models import CareProvider, Department
from registry.models import Destination, Study
from registry.remove import Target, reject, restore
from registry.removed import REJECTIONS
from repository.delivery.planning.plan import plan_deliveries
from repository.delivery.planning.recall_receipts import acknowledge_recall, open_recalls, settle_recalls
from repository.journal.duty import verify_journal, write_journal
from repository.models import Delivery, DeliveryItem, Recall, RecallReceipt
from repository.rebuild.rebuild import rebuild
from tests.registry.factories import make_actor, make_department
from tests.repository.test_rebuild import ADMIN, lose_database, store

pytestmark = pytest.mark.django_db
LOST = (RecallReceipt, Recall, DeliveryItem, Delivery, Destination)


@pytest.fixture
def ward(department) -> Department:
    assert isinstance(department.unit.provider, CareProvider)
    return make_department(department.unit.provider)


@pytest.fixture
def receivers(ward) -> list[Destination]:
    """One that acts on rejection notes, one that does not."""
    return [
        Destination.objects.create(department=ward, name="PACS", url="https://pacs.example/studies"),
        Destination.objects.create(
            department=ward, name="Old", url="https://old.example/studies", processes_rejection=False
        ),
    ]


def deliver(study: Study, destination: Destination) -> None:
    moment = timezone.now()
    delivery = Delivery.objects.create(
        study=study,
        destination=destination,
        kind="study",
        generation=1,
        priority="normal",
        priority_rank=1,
        state=Delivery.DELIVERED,
        planned_at=moment,
        not_before=moment,
        deadline_at=moment + timedelta(days=1),
    )
    for series in study.series.all():
        for uid in series.instances.values_list("sop_instance_uid", flat=True):
            DeliveryItem.objects.create(delivery=delivery, sop_instance_uid=uid, state=DeliveryItem.DELIVERED)


@pytest.fixture
def delivered(vendor, receivers) -> Study:
    store(vendor)
    study = Study.objects.get()
    for destination in receivers:
        deliver(study, destination)
    return study


def lose_all() -> None:
    write_journal()
    for model in LOST:
        model.objects.all().delete()
    lose_database()


def reject_all(study: Study) -> Any:
    return reject(ADMIN, Target(study.study_instance_uid), REJECTIONS[1], door="test", reason="Fel sida")


def receipts() -> dict[str, RecallReceipt]:
    rows = RecallReceipt.objects.select_related("destination__department", "recall", "delivery")
    return {row.destination.name: row for row in rows}


def test_an_open_recall_is_open_again_and_a_person_is_asked(delivered, ward) -> None:
    reject_all(delivered)
    plan_deliveries()
    before = Recall.objects.get()
    assert {name: row.state for name, row in receipts().items()} == {"PACS": "sending", "Old": "task"}
    lose_all()
    report = rebuild()
    assert (report.faults, report.recalls) == ([], 1)
    (recall,) = open_recalls()
    assert (recall.made_at, recall.reason, recall.code_value) == (
        before.made_at,
        "Fel sida",
        REJECTIONS[1].code_value,
    )
    assert recall.removal is not None
    assert recall.removal.study == recall.study
    assert settle_recalls() == 1  # the note was on its way, and no delivery is left of it
    found = receipts()
    assert {name: row.state for name, row in found.items()} == {"PACS": "task", "Old": "task"}
    assert len(found["PACS"].sop_instance_uids) == 2
    assert {row.destination.department.hsa_id for row in found.values()} == {ward.hsa_id}
    assert not any(row.destination.active for row in found.values())
    assert verify_journal() == []


def test_what_a_receiver_has_done_stays_done_and_closed_stays_closed(delivered, ward) -> None:
    reject_all(delivered)
    plan_deliveries()
    Delivery.objects.filter(kind="recall").update(state=Delivery.DEAD)
    settle_recalls()
    actor = make_actor(ward)
    acknowledge_recall(actor, receipts()["Old"])
    write_journal()
    acknowledge_recall(actor, receipts()["PACS"])
    lose_all()
    rebuild()
    assert open_recalls() == []
    assert {(row.state, row.changed_by) for row in receipts().values()} == {("done", actor.subject)}
    assert Recall.objects.get().closed_at is not None


def test_a_recall_that_was_undone_asks_nobody(delivered) -> None:
    removal = reject_all(delivered)
    plan_deliveries()
    write_journal()
    restore(ADMIN, removal.pk, door="test")
    plan_deliveries()
    lose_all()
    assert rebuild().faults == []
    assert open_recalls() == []
    assert settle_recalls() == 0


def test_a_database_that_knows_more_is_left_as_it_is(delivered, ward) -> None:
    reject_all(delivered)
    plan_deliveries()
    write_journal()
    acknowledge_recall(make_actor(ward), receipts()["Old"])
    report = rebuild()
    assert (report.faults, report.recalls) == ([], 0)
    assert {name: row.state for name, row in receipts().items()} == {"PACS": "sending", "Old": "done"}
