"""No page has a barrier that axe knows, in either theme; every page fits a telephone."""

import pytest
from playwright.sync_api import Page

from tests.frontend import factory
from tests.frontend.browser.conftest import OpenPage, Stage, fill_focused, find_barriers

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_have_no_barriers(stage: Stage, open_page: OpenPage, theme: str):
    stranger = open_page(log_in=False, color_scheme=theme, bypass_csp=True)
    stranger.goto("/accounts/login/")
    assert find_barriers(stranger) == []
    submit_wrong_password(stranger)
    assert find_barriers(stranger) == []
    page = open_page(color_scheme=theme, bypass_csp=True)
    search(page, "Tolvansson")
    for name, address in stage.pages.items():
        page.goto(address)
        assert find_barriers(page) == [], name
        page.locator("[data-menu] summary").click()
        assert find_barriers(page) == [], f"{name} with the menu open"


def test_pages_fit_a_telephone(stage: Stage, open_page: OpenPage):
    page = open_page(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    search(page, "Tolvansson")
    for name, address in stage.pages.items():
        page.goto(address)
        too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(too_wide) == 0, name


def test_every_page_is_quiet_under_the_real_policy(stage: Stage, open_page: OpenPage):
    page = open_page()
    search(page, "Tolvansson")
    for name, address in stage.pages.items():
        if name != "missing":  # the browser itself writes a line about every 404
            page.goto(address, wait_until="networkidle")
            assert stage.complaints == [], name


def search(page: Page, text: str) -> None:
    page.locator("#q").fill(text)
    page.locator("main .search-line button").click()
    page.locator(".hit").wait_for()


def submit_wrong_password(page: Page) -> None:
    fill_focused(page, "[name=login]", "maria")
    page.locator("[name=password]").fill(factory.PASSWORD + "x")
    page.locator("main button.primary").click()
    page.locator("[role=alert]").wait_for()
