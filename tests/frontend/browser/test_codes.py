"""The pages of codes in a real browser: no barriers in either theme, mapped with the keyboard's own controls."""

import os

import pytest

from access.models import User
from registry.harmonise.duty import harmonise_studies
from registry.models import Harmonised
from tests.frontend.browser.conftest import OpenPage, Stage, find_barriers
from tests.registry.factories import make_study

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_word_is_mapped_on_pages_without_barriers(stage: Stage, open_page: OpenPage, theme: str):
    study = make_study(stage.region.lund, modalities=("CT",), study_description="Protokoll 7")
    harmonise_studies()
    User.objects.update(is_staff=True)
    page = open_page(color_scheme=theme, bypass_csp=True)
    for address in ("affinity/", "codes/"):
        page.goto(f"/administration/{address}")
        assert find_barriers(page) == [], address
        keep_picture(page, f"{theme}-{address[:-1]}")
    page.locator("a.button", has_text="Protokoll 7").click()
    page.locator("select[name=procedure_code]").select_option("CT-CHEST")
    page.locator("button[value=preview]").click()
    page.locator("button[value=apply]").wait_for()
    assert find_barriers(page) == []
    keep_picture(page, f"{theme}-preview")
    page.locator("button[value=apply]").click()
    page.locator(".notice.ok").wait_for()
    harmonise_studies()
    assert Harmonised.objects.get(study=study).procedure_code == "CT-CHEST"
    assert stage.complaints == []


def keep_picture(page, name):
    """Write a picture of the page where somebody asked for them."""
    folder = os.environ.get("SAMSYN_TEST_PICTURES")
    if folder:
        page.screenshot(path=f"{folder}/codes-{name}.png", full_page=True)
