"""A merge after delivery: told to systems of HL7 v2, asked of people where systems hold images, undone as well."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hl7apy.validation import Validator

from registry.identity import PatientNumber
from registry.merges import merge, undo
from registry.models import Destination, Patient, PatientIdentifier, Study, Subscription, WorklistItem
from repository.delivery.duties import plan_deliveries, send_ready
from repository.delivery.planning.recall_receipts import open_recalls, settle_recalls
from repository.models import Delivery, Recall
from tests.registry.care import make_officer
from tests.repository.delivery.conftest import MEMORY
from tests.support.mllp_receiver import MllpReceiver, run_mllp_receiver

pytestmark = pytest.mark.django_db(transaction=True)

LOCAL = "1.2.752.99.1"
TEMPORARY, REAL = PatientNumber("RES-1", LOCAL), PatientNumber("191212121212", LOCAL)


@pytest.fixture
def his() -> Iterator[MllpReceiver]:
    with run_mllp_receiver() as running:
        yield running


@pytest.fixture
def study(region, make_quiet) -> Study:
    """A study of a patient of unknown identity, delivered; the one it will be found to be is known as well."""
    made: Study = make_quiet(patient_id=TEMPORARY.value, issuer_of_patient_id=LOCAL)
    PatientIdentifier.objects.create(patient=made.person, value=TEMPORARY.value, issuer=LOCAL)
    known = Patient.objects.create(patient_name="Andersson^Anna")
    PatientIdentifier.objects.create(patient=known, value=REAL.value, issuer=LOCAL)
    plan_deliveries()
    assert send_ready("worker", MEMORY)
    return made


def deliver_to(region, name: str, url: str, study: Study) -> Destination:
    """Let another of the department's systems have received the study."""
    destination = Destination.objects.create(department=region.ward, name=name, url=url)
    row = Delivery.objects.get()
    row.pk, row.destination = None, destination
    row.save()
    return destination


def send_and_note() -> None:
    """Plan, send what may go, and note what has arrived."""
    plan_deliveries()
    send_ready("worker", MEMORY)
    plan_deliveries()


def states_of(recall: Recall) -> dict[str, str]:
    return {row.destination.name: row.state for row in recall.receipts.select_related("destination")}


def lines_of(message) -> list[str]:
    return [line for line in str(message).split("\r") if line]


def part(row) -> None:
    undo(row.pk, by=make_officer(), reason="another person")


def test_a_system_of_images_is_a_task_for_a_person(region, study):
    merge(REAL, TEMPORARY, source="RIS")
    plan_deliveries()
    [recall] = open_recalls()
    [receipt] = recall.receipts.all()
    assert (recall.code_value, receipt.destination, receipt.state) == ("IDENTITY", region.destination, "task")
    assert recall.reason == "patients were found to be one"


def test_a_merge_that_is_undone_is_a_task_again(study):
    row = merge(REAL, TEMPORARY, source="RIS")
    plan_deliveries()
    undo(row.pk, by=make_officer(), reason="another person")
    plan_deliveries()
    [recall] = open_recalls()
    assert recall.reason == "patients were found not to be one"


def test_a_system_of_hl7_gets_the_merge_once(region, his, study):
    deliver_to(region, "RIS", his.url, study)
    merge(REAL, TEMPORARY, source="RIS")
    assert plan_deliveries() == {"urgent"}
    assert plan_deliveries() == frozenset()
    assert send_ready("worker", MEMORY)
    row = Delivery.objects.get(kind="correction")
    assert row.state == "delivered", row.reason
    [message] = his.messages
    assert str(message.segment("MSH")[9]) == "ADT^A40^ADT_A39"
    assert "191212121212" in str(message.segment("PID")[3])
    assert str(message.segment("MRG")[1]).startswith("RES-1^")
    parsed = parse_message(str(message), validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
    assert Validator.validate(parsed)


def test_a_worklist_shows_it_anew(region, study):
    deliver_to(region, "list", "worklist:", study)
    merge(REAL, TEMPORARY, source="RIS")
    plan_deliveries()
    assert WorklistItem.objects.get().reason == "patients were found to be one"


def test_who_received_nothing_is_told_nothing(region, make_quiet):
    Subscription.objects.update(active=False)
    made = make_quiet(patient_id=TEMPORARY.value, issuer_of_patient_id=LOCAL)
    PatientIdentifier.objects.create(patient=made.person, value=TEMPORARY.value, issuer=LOCAL)
    known = Patient.objects.create(patient_name="Andersson^Anna")
    PatientIdentifier.objects.create(patient=known, value=REAL.value, issuer=LOCAL)
    merge(REAL, TEMPORARY, source="RIS")
    plan_deliveries()
    assert open_recalls() == []
    assert not Delivery.objects.exists()


def test_who_took_the_merge_as_a_message_has_nothing_left_to_do(region, his, study):
    deliver_to(region, "RIS", his.url, study)
    merge(REAL, TEMPORARY, source="RIS")
    plan_deliveries()
    [recall] = open_recalls()
    assert states_of(recall) == {"PACS": "task", "RIS": "sending"}
    send_and_note()
    [recall] = open_recalls()
    assert states_of(recall) == {"PACS": "task", "RIS": "acknowledged"}


def test_a_merge_that_a_system_refuses_is_a_task_for_a_person(region, his, study):
    his.script = ["AR"]
    deliver_to(region, "RIS", his.url, study)
    merge(REAL, TEMPORARY, source="RIS")
    send_and_note()
    assert Delivery.objects.get(kind="correction").state == "dead"
    assert settle_recalls() == 1
    [recall] = open_recalls()
    assert states_of(recall) == {"PACS": "task", "RIS": "task"}


def test_an_undo_parts_the_two_at_a_system_that_took_the_merge(region, his, study):
    deliver_to(region, "RIS", his.url, study)
    row = merge(REAL, TEMPORARY, source="RIS")
    send_and_note()
    part(row)
    send_and_note()
    message = his.messages[-1]
    assert str(message.segment("MSH")[9]) == "ADT^A37^ADT_A37"
    first, second = (str(pid[3]) for pid in message.segments("PID"))
    assert first.startswith("RES-1^")
    assert second.startswith("191212121212^")
    for left_out in (2, 3):  # hl7apy counts both places of PID in ADT_A37 as one
        text = "\r".join(line for number, line in enumerate(lines_of(message)) if number != left_out)
        assert Validator.validate(parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT))
    [recall] = open_recalls()
    assert (recall.reason, states_of(recall)) == (
        "patients were found not to be one",
        {"PACS": "task", "RIS": "acknowledged"},
    )


def test_a_merge_that_is_undone_before_it_was_told_is_told_to_nobody(region, his, study):
    deliver_to(region, "RIS", his.url, study)
    row = merge(REAL, TEMPORARY, source="RIS")
    plan_deliveries()
    part(row)
    send_and_note()
    assert his.messages == []
    told = Delivery.objects.get(kind="correction")
    assert (told.state, told.reason_code) == ("withdrawn", "merge_undone")
    [recall] = open_recalls()
    assert states_of(recall) == {"PACS": "task"}


def test_a_parting_that_is_late_does_not_undo_a_newer_merge(region, his, study):
    deliver_to(region, "RIS", his.url, study)
    first = merge(REAL, TEMPORARY, source="RIS")
    send_and_note()
    part(first)
    plan_deliveries()
    late = Delivery.objects.get(kind="correction", generation=2)
    Delivery.objects.filter(pk=late.pk).update(not_before=timezone.now() + timedelta(hours=1))
    merge(REAL, TEMPORARY, source="RIS")
    send_and_note()
    Delivery.objects.filter(pk=late.pk).update(not_before=timezone.now() - timedelta(hours=1))
    send_and_note()
    assert [str(message.segment("MSH")[9][0][1]) for message in his.messages] == ["A40", "A40"]
    late.refresh_from_db()
    assert (late.state, late.reason_code) == ("superseded", "overtaken")


def test_a_system_of_images_is_told_by_the_one_that_its_destination_names(region, his, study):
    Destination.objects.create(department=region.ward, name="ADT", url=his.url)
    Destination.objects.filter(pk=region.destination.pk).update(corrected_through="ADT")
    row = merge(REAL, TEMPORARY, source="RIS")
    send_and_note()
    assert str(his.messages[0].segment("MSH")[9]) == "ADT^A40^ADT_A39"
    assert open_recalls() == []
    assert states_of(Recall.objects.get()) == {"PACS": "acknowledged"}
    part(row)
    send_and_note()
    assert len(his.messages) == 1  # images that have moved there go back by no message
    [recall] = open_recalls()
    assert states_of(recall) == {"PACS": "task"}


@pytest.mark.parametrize("change", [{"active": False}, {"url": "https://other.example/studies"}])
def test_a_named_system_that_cannot_tell_leaves_it_to_a_person(region, his, study, change):
    Destination.objects.create(department=region.ward, name="ADT", url=his.url)
    Destination.objects.filter(pk=region.destination.pk).update(corrected_through="ADT")
    Destination.objects.filter(name="ADT").update(**change)
    merge(REAL, TEMPORARY, source="RIS")
    plan_deliveries()
    [recall] = open_recalls()
    assert states_of(recall) == {"PACS": "task"}


def test_two_studies_of_a_patient_are_told_in_one_message(region, his, study, make_quiet):
    deliver_to(region, "RIS", his.url, study)
    other = make_quiet(patient_id=TEMPORARY.value, issuer_of_patient_id=LOCAL)
    Study.objects.filter(pk=other.pk).update(person=study.person)
    for row in Delivery.objects.filter(study=study):
        row.pk, row.study = None, other
        row.save()
    merge(REAL, TEMPORARY, source="RIS")
    send_and_note()
    assert len(his.messages) == 1
    assert [states_of(each) for each in open_recalls()] == [{"PACS": "task", "RIS": "acknowledged"}] * 2
