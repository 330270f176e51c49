"""A merge after delivery: told to systems of HL7 v2, asked of people where systems hold images, undone as well."""

from collections.abc import Iterator

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hl7apy.validation import Validator

from registry.identity import PatientNumber
from registry.merges import merge, undo
from registry.models import Destination, Patient, PatientIdentifier, Study, Subscription, WorklistItem
from repository.delivery.duties import plan_deliveries, send_ready
from repository.delivery.planning.recall_receipts import open_recalls
from repository.models import Delivery
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


def deliver_to(region, name: str, url: str, study: Study) -> None:
    """Let another of the department's systems have received the study."""
    destination = Destination.objects.create(department=region.ward, name=name, url=url)
    row = Delivery.objects.get()
    row.pk, row.destination = None, destination
    row.save()


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
