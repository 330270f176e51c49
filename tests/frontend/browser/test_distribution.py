"""The pages of distribution in a real browser: no barriers in either theme, on a telephone too, and alive."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import ViewportSize, expect

from access.models import User
from registry.models import Destination, Study, Subscription
from registry.worklist import put_on_worklist
from repository.models import Delivery, Recall, RecallReceipt
from tests.frontend import factory
from tests.frontend.browser.conftest import OpenPage, Stage, find_barriers

pytestmark = pytest.mark.browser
TELEPHONE: ViewportSize = {"width": 360, "height": 740}
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_worklist_is_worked_off_on_a_page_that_lives(stage: Stage, open_page: OpenPage, theme: str):
    put_on_worklist(stage.region.lund, stage.study, priority_rank=0, reason="Bedömning inför operation")
    page = open_page(color_scheme=theme, bypass_csp=True)
    page.goto("/worklist/")
    assert find_barriers(page) == []
    keep_picture(page, f"worklist-{theme}")
    later = factory.make_study(
        Study.objects.get(pk=stage.study.pk).person, stage.region.lund, study_description="MR hjärna"
    )
    put_on_worklist(stage.region.lund, later)
    expect(page.locator(".worklist .row")).to_have_count(2)
    page.set_viewport_size(TELEPHONE)
    assert page.evaluate(TOO_WIDE) == 0
    keep_picture(page, f"worklist-{theme}-telephone")
    page.locator(".worklist .row").first.get_by_role("link", name="Open images").click()
    expect(page.locator(".stepper")).to_be_visible()
    page.goto("/worklist/")
    page.locator(".worklist .row").first.get_by_role("button", name="Done").click()
    expect(page.locator(".worklist .row")).to_have_count(1)
    assert stage.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_of_who_keeps_distribution_have_no_barriers(stage: Stage, open_page: OpenPage, theme: str):
    User.objects.update(is_staff=True)
    make_traffic(stage, make_destinations(stage))
    page = open_page(color_scheme=theme, bypass_csp=True)
    for name, address in list_kept_pages().items():
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(address)
        assert find_barriers(page) == [], name
        keep_picture(page, f"{name}-{theme}")
        page.set_viewport_size(TELEPHONE)
        assert page.evaluate(TOO_WIDE) == 0, name
        keep_picture(page, f"{name}-{theme}-telephone")
    assert stage.complaints == []


def make_destinations(stage):
    """Make destinations of several kinds in several states."""
    day = [{"days": [0, 1, 2, 3, 4], "from": "07:00", "to": "18:00"}]
    values = (
        {"name": "PACS Ortopeden", "url": "https://pacs.aau.example/dicom-web/studies", "windows": day},
        {
            "name": "Arkivet",
            "url": "dicom://10.20.30.40:104",
            "called_ae_title": "ARKIV1",
            "breaker": "open",
            "last_error": "10.20.30.40: Connection refused",
            "consecutive_failures": 7,
        },
        {
            "name": "Journalen",
            "url": "mllps://ie.aau.example:2575",
            "max_mbit": 2.5,
            "held_reason": "Uppgradering",
        },
        {"name": "Arbetslistan", "url": "worklist:"},
    )
    made = [Destination.objects.create(department=stage.region.lund, **each) for each in values]
    chest = {"all": [{"modality_family": ["CT", "MR"]}, {"body_region": ["67734004"]}, {"emergency": True}]}
    Subscription.objects.create(
        department=stage.region.lund,
        destination=made[0],
        filter=chest,
        wants=["images", "report"],
        window=day,
    )
    return made


def test_the_preview_of_a_subscription_lives(stage: Stage, open_page: OpenPage):
    """What is chosen is at once said in a sentence; the real policy holds."""
    User.objects.update(is_staff=True)
    Destination.objects.create(department=stage.region.ystad, name="Arbetslistan", url="worklist:")
    page = open_page()
    page.goto(f"/distribution/subscriptions/of/{stage.region.ystad.pk}/new/")
    page.locator("#id_modality_family").get_by_label("Computed tomography").check()
    expect(page.locator("#preview .sentence")).to_contain_text("CT")
    page.locator("#id_body_region").get_by_label("Heart").check()
    expect(page.locator("#preview .sentence")).to_contain_text("heart")
    keep_picture(page, "subscription-new")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.locator(".page-bar.ok")).to_be_visible()
    assert Subscription.objects.get().filter["all"][0] == {"modality_family": ["CT"]}
    assert stage.complaints == []


def make_traffic(stage, destinations):
    """Let something be on its way to each of them, one delivery failed, one recall open."""
    now = timezone.now()
    states = ("ready", "ready", "sending", "held", "awaiting_basis", "dead", "delivered", "waiting_window")
    codes = (
        "queued",
        "no_connection",
        "sending",
        "queued",
        "consent_missing",
        "deadline_passed",
        "delivered",
        "queued",
    )
    for number, (state, code) in enumerate(zip(states, codes, strict=True)):
        Delivery.objects.create(
            study=stage.study,
            destination=destinations[number % len(destinations)],
            generation=number + 10,
            state=state,
            reason_code=code,
            reason="10.20.30.40: Connection refused" if state == "dead" else "",
            attempts=number,
            planned_at=now - timedelta(minutes=17 * number),
            not_before=now,
            deadline_at=now + timedelta(hours=1),
            delivered_at=now if state == "delivered" else None,
        )
    recall = Recall.objects.create(
        study=stage.study,
        code_value="113001",
        code_meaning="Rejected for Quality Reasons",
        reason="Fel sida markerad",
        made_by="ssk",
        made_at=now - timedelta(days=2),
    )
    for destination, state in zip(destinations, ("acknowledged", "sending", "task", "done"), strict=True):
        RecallReceipt.objects.create(recall=recall, destination=destination, state=state, changed_at=now)


def list_kept_pages():
    """Return the pages by name."""
    first = Destination.objects.order_by("pk").first()
    return {
        "board": "/distribution/",
        "deliveries": "/distribution/deliveries/",
        "subscriptions": "/distribution/subscriptions/",
        "subscription-edit": f"/distribution/subscriptions/{Subscription.objects.get().pk}/",
        "destinations": "/distribution/destinations/",
        "destination-new": "/distribution/destinations/new/",
        "destination-edit": f"/distribution/destinations/{first.pk}/",
    }


def keep_picture(page, name):
    """Write a picture of the page where somebody asked for them."""
    folder = os.environ.get("SAMSYN_TEST_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/distribution-{name}.png", full_page=True)
