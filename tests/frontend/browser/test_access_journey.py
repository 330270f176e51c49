"""The ways to more data in a browser: relation, choice, consent, emergency, log and review, with and without scripts."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from access.models import AuditEvent
from registry.models import EmergencyOpening, LogReview, Patient, Study
from registry.review.samples import CALENDAR, draw_review
from tests.frontend import factory
from tests.frontend.access_world import HEAD, agree, block_unit, relate
from tests.frontend.browser.conftest import OpenPage, Stage, fill_focused, find_barriers

pytestmark = pytest.mark.browser

RIGHTS = (*HEAD, "break_glass")
NUMBER = "195103051230"
BLOCKED_NUMBER = "191011111232"
DESKTOP = {"viewport": {"width": 1440, "height": 900}}
TELEPHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


@dataclass(frozen=True, slots=True)
class Case:
    """A patient of whom another unit's study may be chosen, another provider's needs consent, and one is blocked."""

    patient: Patient
    choosable: Study
    blocked: Study


@pytest.fixture
def case(stage: Stage) -> Case:
    """Let the clinician of the stage have every right, and make the patient."""
    person = factory.make_person(None, "eva")
    factory.assign(person, stage.region.lund, "Överläkare", RIGHTS)
    agree(stage.region.lund.unit.provider, stage.region.private.unit.provider)
    patient = factory.make_patient()
    choosable = factory.make_study(patient, stage.region.ystad, "MR", study_description="MR knä")
    factory.make_study(patient, stage.region.private, "US", study_description="UL hals")
    other = factory.make_patient("Ek^Olle", BLOCKED_NUMBER, patient_birth_date="19101111")
    blocked = factory.make_study(other, stage.region.ystad, "CT", study_description="DT skalle")
    relate(other, stage.region.lund)
    block_unit(other, stage.region.ystad)
    return Case(patient, choosable, blocked)


def log_in(page: Page) -> None:
    page.goto("/")
    fill_focused(page, "[name=login]", "eva")
    page.locator("[name=password]").fill(factory.PASSWORD)
    page.locator("main button.primary").click()
    expect(page.locator("#q")).to_be_visible()


def find(page: Page, text: str) -> None:
    page.goto("/")
    fill_focused(page, "#q", text)
    page.locator("main .search-line button").click()
    page.locator(".hit .row-link").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_from_no_relation_to_another_providers_images(
    stage: Stage, case: Case, open_page: OpenPage, scripts: bool
):
    page = open_page(log_in=False, java_script_enabled=scripts)
    log_in(page)
    find(page, NUMBER)
    expect(page.get_by_text("There is no care relation to the patient")).to_be_visible()
    expect(page.get_by_text("MR knä")).to_have_count(0)
    page.get_by_label("Why do you take part in the care?").fill("konsult från akuten")
    page.get_by_role("button", name="State care relation").click()
    expect(page.get_by_text("Other care providers may hold information.")).to_be_visible()
    page.get_by_role("button", name="Choose to read").click()
    expect(page.get_by_role("link", name="MR knä", exact=True)).to_be_visible()
    page.get_by_role("link", name="Register consent").click()
    expect(page.get_by_label("Who assessed that the patient cannot decide?")).to_be_hidden()
    page.get_by_label("Nobody: the patient lastingly cannot decide").check()
    expect(page.get_by_label("Who assessed that the patient cannot decide?")).to_be_visible()
    page.get_by_label("The patient", exact=True).check()
    page.get_by_label("Only I").check()
    page.get_by_role("button", name="Register consent").click()
    expect(page.get_by_text("The consent is registered.")).to_be_visible()
    expect(page.get_by_role("link", name="UL hals", exact=True)).to_be_visible()
    page.get_by_text("Why do I see this?").click()
    expect(page.get_by_text("The patient has consented to the reading")).to_be_visible()
    assert stage.complaints == []


def test_emergency_by_keyboard_never_by_default(stage: Stage, case: Case, open_page: OpenPage):
    page = open_page(log_in=False)
    log_in(page)
    find(page, BLOCKED_NUMBER)
    expect(page.get_by_text("Blocked information exists.")).to_be_visible()
    page.get_by_role("link", name="Open in an emergency…").click()
    assert page.evaluate("document.activeElement === document.body")
    button = page.get_by_role("button", name="Show where there is more")
    assert button.evaluate("b => getComputedStyle(b).backgroundColor") != button.evaluate(
        "b => getComputedStyle(b).color"
    )
    page.get_by_label("The patient is unconscious").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type("Hittad medvetslös i hemmet")
    button.click()
    expect(page.get_by_text("Region Mellansjö")).to_be_visible()
    expect(page.get_by_label("4 hours")).to_be_checked()
    page.get_by_label("1 hour").check()
    page.get_by_role("button", name="Open the data").click()
    bar = page.get_by_role("region", name="Emergency opening")
    expect(bar).to_contain_text("Open by emergency access until")
    page.get_by_role("link", name="DT skalle", exact=True).click()
    expect(bar).to_be_visible()
    bar.get_by_role("button", name="Close now").click()
    expect(page.get_by_text("The emergency opening is closed.")).to_be_visible()
    expect(page.get_by_text("DT skalle")).to_have_count(0)
    assert EmergencyOpening.objects.get().closed_at is not None
    assert stage.complaints == []


def list_pages(case: Case) -> dict[str, str]:
    patient = f"/patients/{case.patient.pk}"
    return {
        "patient": f"{patient}/",
        "relation": f"{patient}/relation/",
        "reason": f"{patient}/reason/",
        "consent": f"{patient}/consents/new/",
        "decisions": f"{patient}/decisions/",
        "block": f"{patient}/blocks/new/",
        "emergency": f"{patient}/emergency/",
        "emergency by number": "/emergency/",
        "keeping": "/decisions/",
        "no access": f"/studies/{case.choosable.study_instance_uid}/",
        "log": "/log/",
        "log of": "/log/patient/",
        "review": "/review/",
        "outside": "/review/outside/",
        "sample": f"/review/samples/{LogReview.objects.get().pk}/",
    }


@pytest.fixture
def reviewed(case: Case, stage: Stage) -> Case:
    """Let there be something on every page: a relation, an opening in the queue."""
    relate(case.patient, stage.region.lund)
    block_unit(case.patient, stage.region.lund)
    now = timezone.now()
    for days in (2, 3):
        AuditEvent.objects.create(
            recorded_at=now - timedelta(days=days),
            action="read",
            outcome="success",
            actor="maria",
            actor_kind="person",
            care_unit_hsa_id=stage.region.lund.unit.hsa_id,
            patient_id=case.patient.pk,
            study_instance_uid=case.choosable.study_instance_uid,
        )
    draw_review(CALENDAR, stage.region.lund.unit, now - timedelta(days=9), now - timedelta(days=1))
    return case


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_of_access_have_no_barriers(stage: Stage, reviewed: Case, open_page: OpenPage, theme: str):
    page = open_page(log_in=False, color_scheme=theme, bypass_csp=True, **DESKTOP)
    log_in(page)
    find(page, NUMBER)
    for name, address in list_pages(reviewed).items():
        page.goto(address)
        assert find_barriers(page) == [], name
    for name in ("relation", "consent", "emergency"):
        page.goto(list_pages(reviewed)[name])
        page.locator("main form button").first.click()
        if name != "consent":
            page.get_by_role("alert").wait_for()
        assert find_barriers(page) == [], f"{name} with faults"
    open_in_emergency(page, reviewed)
    assert find_barriers(page) == [], "open in an emergency"
    page.goto(f"/review/openings/{EmergencyOpening.objects.get().pk}/")
    assert find_barriers(page) == [], "review of an opening"


def test_pages_of_access_fit_a_telephone(stage: Stage, reviewed: Case, open_page: OpenPage):
    page = open_page(log_in=False, **TELEPHONE)
    log_in(page)
    find(page, NUMBER)
    open_in_emergency(page, reviewed)
    pages = list_pages(reviewed) | {"opening": f"/review/openings/{EmergencyOpening.objects.get().pk}/"}
    for name, address in pages.items():
        page.goto(address)
        too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(too_wide) == 0, name


def open_in_emergency(page: Page, case: Case) -> None:
    """Take both steps for the patient with a block."""
    page.goto(f"/patients/{case.blocked.person_id}/emergency/")
    page.get_by_label("Danger to life").check()
    page.locator("#id_reason").fill("livshotande läge på akuten")
    page.locator("main button.danger").click()
    page.locator("main button.danger").click()
    page.locator(".emergency-bar").wait_for()
