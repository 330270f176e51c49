"""The administration pages in a browser: no barriers, no complaints, narrow enough, and done by hand."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from access.models import Assignment, Role, User
from access.roles import set_permissions
from registry.identity import PatientNumber
from registry.merges import merge
from registry.models import MergeRequest, PatientMerge
from tests.frontend import factory
from tests.frontend.browser.conftest import OpenPage, Stage, find_barriers
from tests.support.people import give_assignment, make_role

pytestmark = pytest.mark.browser

LOCAL = "1.2.752.1.1"
PAGES = {
    "members": "/administration/members/",
    "roles": "/administration/roles/",
    "view as": "/administration/roles/view-as/",
    "assignment": "/assignment/",
    "identities": "/administration/merges/",
}


@pytest.fixture
def office(stage: Stage) -> Stage:
    """Let the person of the stage be staff and head of the department, with a colleague."""
    set_permissions(Role.objects.get(), ["read_studies", "manage_members", "keep_identity"])
    User.objects.update(is_staff=True)
    anna = User.objects.create(username="anna", first_name="Anna", last_name="Ek")
    give_assignment(anna, stage.region.lund, "Radiolog", ("read_studies", "report"))
    make_role("Sjuksköterska", ("read_studies",))
    merge_and_ask(stage)
    return stage


def merge_and_ask(stage: Stage) -> None:
    """Let one merge be made and another wait."""
    kept, lost, asked = (PatientNumber(value, LOCAL) for value in ("L-1", "L-2", "L-3"))
    for number in (kept, lost, asked):
        patient = factory.make_patient("Ek^Maj", number.value, national=False)
        factory.make_study(patient, stage.region.lund)
    merge(kept, lost, source="RIS")
    MergeRequest.objects.create(
        kind="merge",
        survivor_value=kept.value,
        survivor_issuer=LOCAL,
        subsumed_value=asked.value,
        subsumed_issuer=LOCAL,
        source="RIS",
        requested_at=timezone.now(),
    )


def list_pages() -> dict[str, str]:
    """Return every page with those of the merge that was made and of the one that waits."""
    merges = PAGES["identities"]
    return PAGES | {
        "merge": f"{merges}{PatientMerge.objects.get().pk}/",
        "request": f"{merges}requests/{MergeRequest.objects.get().pk}/",
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_barriers(office: Stage, open_page: OpenPage, theme: str):
    page = open_page(color_scheme=theme, bypass_csp=True)
    for name, address in list_pages().items():
        page.goto(address)
        assert find_barriers(page) == [], name
    page.goto(PAGES["members"])
    page.locator(".ending summary").first.click()
    assert find_barriers(page) == []
    page.locator("[name=person]").fill("nobody")
    page.get_by_role("button", name="Give the assignment").click()
    page.locator("[role=alert]").wait_for()
    assert find_barriers(page) == []
    page.goto(PAGES["roles"])
    page.get_by_role("checkbox", name="Radiolog: Report studies").click()
    page.get_by_role("button", name="Look at what changes").click()
    page.get_by_role("button", name="Change the roles").wait_for()
    assert find_barriers(page) == []


def test_pages_fit_a_telephone_and_are_quiet(office: Stage, open_page: OpenPage):
    page = open_page(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    for name, address in list_pages().items():
        page.goto(address, wait_until="networkidle")
        too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(too_wide) == 0, name
        assert office.complaints == [], name


def test_roles_are_changed_and_an_assignment_ended_by_hand(office: Stage, open_page: OpenPage):
    page = open_page()
    page.get_by_role("link", name="Administration").click()
    page.get_by_role("link", name="Roles", exact=True).click()
    page.get_by_role("checkbox", name="Radiolog: Emergency access").click()
    page.get_by_role("button", name="Look at what changes").click()
    expect(page.get_by_text("may from now on")).to_be_visible()
    page.get_by_role("button", name="Change the roles").click()
    expect(page.get_by_text("The roles have been changed")).to_be_visible()
    assert Role.objects.get(code="radiolog").permissions == ["read_studies", "report", "break_glass"]
    page.get_by_role("link", name="Members", exact=True).click()
    row = page.locator(".member", has_text="Anna Ek")
    row.locator("summary").click()
    row.get_by_role("button", name="End the assignment now").click()
    expect(page.get_by_text("The assignment has ended.")).to_be_visible()
    assert Assignment.objects.get(user__username="anna").valid_to is not None
    page.locator("[name=person]").fill("anna")
    page.locator("[name=role]").select_option(label="Sjuksköterska")
    page.get_by_role("button", name="Give the assignment").click()
    expect(page.get_by_text("The assignment has been given.")).to_be_visible()
