"""The pages of distribution in a real browser: no barriers in either theme, on a telephone too, and alive."""

import os

import pytest
from playwright.sync_api import expect

from registry.models import Study
from registry.worklist import put_on_worklist
from tests.frontend import factory
from tests.frontend.browser.conftest import OpenPage, Stage, find_barriers

pytestmark = pytest.mark.browser
TELEPHONE = {"width": 360, "height": 740}
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


def keep_picture(page, name):
    """Write a picture of the page where somebody asked for them."""
    folder = os.environ.get("SAMSYN_TEST_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/distribution-{name}.png", full_page=True)
