"""Why a study was or was not sent: the sentence names the rule, and nothing that the patient closed."""

import pytest
from django.utils import translation

from registry.consent.blocks import Holder, register_block
from registry.hops import note_hops
from registry.models import Subscription
from registry.send_now import Sending, send_study
from registry.wishes.filter import TESTS
from repository.delivery.duties import plan_deliveries, send_ready
from repository.delivery.operating.why import NAMES, explain_why, explain_why_at
from tests.registry.care import make_doctor
from tests.registry.factories import make_study
from tests.repository.delivery.conftest import MEMORY

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


def ask(region, **columns) -> None:
    Subscription.objects.filter(pk=region.subscription.pk).update(**columns)


def test_a_study_that_was_sent_says_who_asked_for_it(region, make_quiet):
    ask(region, name="CT to the ward")
    study = make_quiet()
    plan_deliveries()
    assert explain_why(study, region.destination) == "Waits for its turn. Asked for by: CT to the ward."
    assert send_ready("worker", MEMORY)
    assert explain_why(study, region.destination).startswith("Everything has arrived")


def test_a_subscription_without_a_name_is_called_by_what_it_asks_for(region, make_quiet):
    ask(region, filter={"modality_family": ["CT"]})
    study = make_quiet()
    plan_deliveries()
    asked = "Asked for by: the subscription “CT, not from our own department”."
    assert asked in explain_why(study, region.destination)
    with translation.override("sv"):
        why = explain_why(study, region.destination)
    assert "prenumerationen ”CT, inte från den egna avdelningen”" in why
    ask(region, filter={"modality_family": ["MR"]})
    other = make_study(region.hospital)
    assert "the subscription “MR, not from our own department”: " in explain_why(other, region.destination)


def test_a_study_that_a_person_sent_says_so(region):
    study = make_study(region.hospital, modalities=("US",))
    send_study(make_doctor(region.hospital), study, Sending(region.ward, "transfer tonight"))
    plan_deliveries()
    assert "sent by a person" in explain_why(study, region.destination)
    assert "transfer tonight" in explain_why(study, region.destination)


@pytest.mark.parametrize(
    ("tree", "sentence"),
    [
        ({"modality": ["MR"]}, "asks for modality MR; the study's is CT"),
        (
            {"all": [{"modality": ["CT"]}, {"body_region": ["774007"]}]},
            "body region Head and neck; the study's is not known",
        ),
        (
            {"any": [{"modality": ["MR"]}, {"emergency": True}]},
            "none of its alternatives holds (modality MR or emergency)",
        ),
        ({"not": {"modality": ["CT"]}}, "leaves out what the study is (modality CT)"),
        ({"report_final": True}, "asks for final report, which it has not"),
        ({"residence": ["22"]}, "asks for where the patient lives 22."),
    ],
)
def test_a_study_that_nobody_asked_for_says_what_is_asked_for(region, make_quiet, tree, sentence):
    ask(region, filter=tree, name="Wish")
    study = make_quiet(study_description="")
    plan_deliveries()
    why = explain_why(study, region.destination)
    assert why.startswith("Not sent: Wish: ")
    assert sentence in why


def test_what_the_department_stored_itself_does_not_come_back(region):
    study = make_study(region.ward)
    assert "stored it itself" in explain_why(study, region.destination)


def test_a_study_that_is_still_arriving_or_came_before_the_subscription(region):
    study = make_study(region.hospital)
    assert "still arriving" in explain_why(study, region.destination)
    study.quiet_generation, study.state = 1, "complete"
    study.save()
    assert "replay it" in explain_why(study, region.destination)
    ask(region, from_state="verified")
    assert "verified by a final report" in explain_why(study, region.destination)


def test_a_subscription_to_reports_alone_says_that_it_asks_for_no_images(region):
    ask(region, wants=["report"], name="Wish")
    study = make_study(region.hospital, state="complete", quiet_generation=1)
    assert explain_why(study, region.destination) == "Not sent: Wish: asks for no images."


def test_what_came_from_there_says_so(region):
    study = make_study(region.hospital, state="complete", quiet_generation=1)
    note_hops([study.pk], ("1" * 32,))
    region.destination.installation = "1" * 32
    assert "it came from there" in explain_why(study, region.destination)


def test_a_block_is_not_told(region):
    study = make_study(region.hospital, state="complete", quiet_generation=1)
    register_block(make_doctor(region.hospital), study.person, Holder(unit_id=region.hospital.unit_id))
    why = explain_why(study, region.destination)
    assert "may not see" in why
    assert "block" not in why


@pytest.mark.parametrize(
    ("column", "sentence"), [("active", "no active subscription"), ("destination", "switched off")]
)
def test_what_is_switched_off_is_said_to_be_so(region, column, sentence):
    if column == "active":
        ask(region, active=False)
    else:
        region.destination.active = False
        region.destination.save()
    study = make_study(region.hospital)
    assert sentence in explain_why(study, region.destination)


def test_every_destination_of_a_department_is_explained(region):
    [(destination, why)] = explain_why_at(make_study(region.hospital), region.ward)
    assert destination == region.destination
    assert why


@pytest.mark.parametrize("kind", TESTS)
def test_every_test_has_a_name_in_both_languages(kind):
    english = NAMES[kind]
    with translation.override("sv"):
        assert translation.gettext(english) != english
