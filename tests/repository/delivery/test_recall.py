"""What was delivered and then rejected is asked back from every receiver, and each says, or somebody says, that it is done."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.utils import timezone
from pydicom import dcmread

from access.models import AuditEvent
from registry.models import Destination, Instance, Removal, Study, Subscription, WorklistItem
from registry.noted import EndedEntry, UnknownEntry
from registry.rejection_note import read_rejection_note
from registry.remove import Target, delete, reject, restore
from registry.removed import REJECTIONS
from repository.delivery.duties import note_quiet_studies, plan_deliveries, send_ready
from repository.delivery.planning.recall_receipts import (
    acknowledge_recall,
    open_recalls,
    recalls_of,
    settle_recalls,
)
from repository.delivery.send import Source
from repository.models import Delivery, Recall, RecallReceipt
from tests.registry.factories import make_actor, make_department, make_region_actor
from tests.repository.delivery.conftest import PACKS, MemoryFile, list_instances, stream_file
from tests.repository.delivery.test_mllp import send_all
from tests.repository.delivery.test_report_documents import find_faults
from tests.support import receiver as script
from tests.support.dicom import StudyFacts, make_ct
from tests.support.dimse import run_storescp
from tests.support.receiver import Receiver

pytestmark = pytest.mark.django_db
KEEPER = replace(make_region_actor(), permissions=frozenset({"read", "delete"}))
QUALITY, SAFETY, _, RETENTION = REJECTIONS


@pytest.fixture
def study(region, make_quiet) -> Study:
    """Three instances that have arrived."""
    made: Study = make_quiet(instances=3)
    assert send_all() == ["delivered"]
    return made


def read_uid(content: bytes) -> str:
    """Return the UID of what arrives: of a file of memory the file itself, of one of ours its meta information."""
    if content[128:132] != b"DICM":
        return content.decode()
    return str(dcmread(io.BytesIO(content)).SOPInstanceUID)


@pytest.fixture(autouse=True)
def reading(receiver: Receiver) -> None:
    receiver.read_uid = read_uid


def uids_of(study: Study) -> list[str]:
    rows = Instance.objects.filter(series__study=study).order_by("pk")
    return list(rows.values_list("sop_instance_uid", flat=True))


def reject_first(study: Study, code=QUALITY) -> Removal:
    series = study.series.get().series_instance_uid
    return reject(
        KEEPER,
        Target(study.study_instance_uid, series, uids_of(study)[0]),
        code,
        door="test",
        reason="Fel sida",
    )


def receipt_of(destination: Destination) -> RecallReceipt:
    return RecallReceipt.objects.select_related("recall", "destination").get(destination=destination)


def test_a_rejection_is_recalled_by_a_note_that_the_receiver_acknowledges(study, region, receiver: Receiver):
    first, *_ = uids_of(study)
    removal = reject_first(study)
    plan_deliveries()
    (recall,) = open_recalls()
    assert (recall.removal, recall.code_value, recall.reason) == (removal, "113001", "Fel sida")
    assert [receipt.state for receipt in recall.receipts.all()] == ["sending"]
    assert send_all() == ["delivered", "delivered"]
    delivery = Delivery.objects.get(kind="recall")
    note = read_rejection_note(dcmread(io.BytesIO(receiver.requests[-1].parts[0])).to_json_dict())
    assert note is not None
    assert (note.code.code_value, [each.sop_instance_uid for each in note.references]) == ("113001", [first])
    assert delivery.priority == "urgent"
    assert open_recalls() == []
    (recall,) = recalls_of(study)
    receipt = receipt_of(region.destination)
    assert (receipt.state, receipt.changed_by) == ("acknowledged", "the receiver's system")
    assert recall.closed_at is not None
    event = AuditEvent.objects.get(action="recall")
    assert event.study_instance_uid == study.study_instance_uid


def test_a_note_about_all_of_a_study_goes_when_nothing_is_left_of_it(study, tmp_path: Path, region, receiver):
    uids = uids_of(study)
    with run_storescp(tmp_path / "in", "PACS", "+xa") as port:
        Destination.objects.update(url=f"dicom://127.0.0.1:{port}", called_ae_title="PACS")
        delete(KEEPER, Target(study.study_instance_uid), door="test")
        send_all()
    (path,) = (tmp_path / "in").iterdir()
    assert find_faults(path) == []
    note = read_rejection_note(dcmread(path).to_json_dict())
    assert note is not None
    assert [each.sop_instance_uid for each in note.references] == sorted(uids)
    assert receipt_of(region.destination).state == "acknowledged"


def test_what_has_not_arrived_is_withdrawn_and_not_recalled(region, make_quiet, receiver: Receiver):
    study = make_quiet(instances=2)
    plan_deliveries()
    delete(KEEPER, Target(study.study_instance_uid), door="test")
    assert send_all() == ["withdrawn"]
    assert not Recall.objects.exists()
    assert receiver.requests == []


def test_the_end_of_retention_here_is_no_recall(study):
    reject_first(study, RETENTION)
    assert send_all() == ["delivered"]
    assert not Recall.objects.exists()


def test_a_receiver_that_processes_no_rejections_has_a_person_to_do_it(study, region, receiver: Receiver):
    Destination.objects.update(processes_rejection=False)
    reject_first(study)
    assert send_all() == ["delivered"]
    receipt = receipt_of(region.destination)
    assert receipt.state == "task"
    assert len(receiver.requests) == 1
    stranger = make_actor(make_department())
    with pytest.raises(UnknownEntry):
        acknowledge_recall(stranger, receipt)
    assert open_recalls([stranger.scope.department_id]) == []
    (recall,) = open_recalls([region.ward.pk])
    assert [each.pk for each in recall.receipts.all()] == [receipt.pk]
    done = acknowledge_recall(make_actor(region.ward), receipt, door="portal")
    assert (done.state, done.changed_by) == ("done", "doctor")
    assert open_recalls() == []
    assert AuditEvent.objects.get(action="recall_done").study_instance_uid == study.study_instance_uid
    with pytest.raises(EndedEntry):
        acknowledge_recall(make_actor(region.ward), receipt)


def test_a_receiver_that_refuses_the_note_has_a_person_to_do_it(study, region, receiver: Receiver):
    receiver.script = [script.answer(415)]
    reject_first(study)
    assert send_all() == ["delivered", "dead"]
    assert receipt_of(region.destination).state == "sending"
    assert settle_recalls() == 1
    assert receipt_of(region.destination).state == "task"
    assert settle_recalls() == 0
    assert len(open_recalls()) == 1


def test_recalls_are_listed_by_age_and_stay_open_until_every_receiver_has_acknowledged(
    study, region, make_quiet, receiver: Receiver
):
    other = Destination.objects.create(
        department=region.ward, name="old", url=receiver.url, processes_rejection=False
    )
    Subscription.objects.create(department=region.ward, destination=other)
    second = make_quiet()
    send_all()
    delete(KEEPER, Target(second.study_instance_uid), door="test")
    reject_first(study)
    send_all()
    (recall,) = open_recalls()
    states = {receipt.destination.name: receipt.state for receipt in recall.receipts.all()}
    assert states == {"PACS": "acknowledged", "old": "task"}
    assert recall.study == second
    assert Recall.objects.get(study=study).closed_at is not None, "the old system never had that study"


def test_files_are_taken_out_of_our_own_folder(region, store_quiet, settings, tmp_path: Path):
    settings.EXPORT_FOLDERS = [str(tmp_path / "out")]
    Destination.objects.update(url=f"file://{tmp_path}/out/ward")
    facts = StudyFacts()
    store_quiet(make_ct(facts, instance_number=1), make_ct(facts, instance_number=2))
    plan_deliveries()
    assert send_ready("w", PACKS)
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 2
    study = Study.objects.get()
    delete(KEEPER, Target(study.study_instance_uid), door="test")
    plan_deliveries()
    assert send_ready("w", PACKS)
    plan_deliveries()
    assert list((tmp_path / "out" / "ward").iterdir()) == []
    assert receipt_of(region.destination).state == "acknowledged"


def test_a_study_of_which_nothing_is_left_leaves_the_worklist(study, region, make_quiet):
    Destination.objects.update(url="worklist:")
    WorklistItem.objects.create(
        department=region.ward, study=study, arrived_at=timezone.now(), changed_at=timezone.now()
    )
    reject_first(study)
    send_all()
    assert WorklistItem.objects.get().state == "new", "two of three images are there"
    delete(KEEPER, Target(study.study_instance_uid), door="test")
    send_all()
    assert WorklistItem.objects.get().state == "withdrawn"
    assert {receipt.state for receipt in RecallReceipt.objects.all()} == {"acknowledged"}


def test_what_arrives_while_it_is_removed_is_recalled_when_that_is_known(
    region, make_quiet, receiver: Receiver
):
    study = make_quiet(instances=2)
    first, second = uids_of(study)
    plan_deliveries()

    def stream_and_reject(item: MemoryFile) -> Iterator[bytes]:
        if item.sop_instance_uid == second:  # the first has left
            reject_first(study)
            plan_deliveries()
            assert not Recall.objects.exists(), "nobody knows yet that it arrives"
        yield from stream_file(item)

    assert send_ready("w", Source(list_instances, stream_and_reject))
    plan_deliveries()
    assert receiver.stored == [first, second]
    assert receipt_of(region.destination).sop_instance_uids == [first]
    assert send_all() == ["delivered", "delivered"]
    assert open_recalls() == []


def test_what_is_brought_back_before_the_note_left_is_not_asked_for(study, region, receiver: Receiver):
    removal = reject_first(study)
    plan_deliveries()
    restore(KEEPER, removal.pk, door="test")
    assert send_all() == ["delivered", "withdrawn"]
    assert Delivery.objects.get(kind="recall").reason_code == "recall_undone"
    assert receipt_of(region.destination).state == "undone"
    assert open_recalls() == []
    assert len(receiver.requests) == 1


def test_what_is_brought_back_after_the_receiver_took_it_out_is_sent_again(
    study, region, receiver: Receiver, settings
):
    settings.QUIET_S = 0
    first, *_ = uids_of(study)
    removal = reject_first(study)
    assert send_all() == ["delivered", "delivered"]
    restore(KEEPER, removal.pk, door="test")
    plan_deliveries()
    note_quiet_studies()
    assert send_all() == ["delivered"] * 3
    assert receiver.stored.count(first) == 2
    assert open_recalls() == []


def test_a_block_does_not_keep_a_recall_from_whoever_has_it(study, region, receiver: Receiver):
    reject_first(study)
    Study.objects.update(in_conflict=True)
    assert send_all() == ["delivered", "delivered"]
    assert receipt_of(region.destination).state == "acknowledged"
