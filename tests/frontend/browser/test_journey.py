"""A clinician's way: log in, find the patient, open the study, step through the images."""

import re

import pytest
from playwright.sync_api import expect

from access.models import AuditEvent
from repository.models import Delivery
from tests.frontend.browser.conftest import PICTURES, OpenPage, Stage, store_earlier

pytestmark = pytest.mark.browser


def test_from_login_to_the_last_image_by_keyboard(stage: Stage, open_page: OpenPage):
    page = open_page()
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("Tolvansson 1912")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Read as the name “tolvansson”, born 1912.")).to_be_visible()
    page.get_by_role("link", name="Tolvan Tolvansson").click()
    expect(page.get_by_text("19121212-1212")).to_be_visible()
    expect(page.get_by_text("Oförändrad nodulus.")).to_be_visible()
    page.wait_for_load_state("domcontentloaded")  # keys are heard from here on
    page.keyboard.press("/")
    expect(page.locator("#global-q")).to_be_focused()
    page.get_by_role("link", name="Open images DT thorax uppföljning").click()
    page.locator(".series-card").click()

    image = page.get_by_role("img", name=f"DT thorax uppföljning, image 1 of {PICTURES}")
    expect(image).to_be_visible()
    first = image.get_attribute("src")
    page.wait_for_load_state("domcontentloaded")
    page.keyboard.press("ArrowDown")
    second = page.get_by_role("img", name=f"image 2 of {PICTURES}")
    expect(second).to_be_visible()
    assert second.get_attribute("src") != first
    expect(page).to_have_url(re.compile(r"\?instance=2$"))
    page.keyboard.press("3")
    expect(page.locator("[data-main]")).to_have_attribute(
        "src", re.compile(r"\?viewport=8,8&window=-600,1500,linear$")
    )
    expect(page).to_have_url(re.compile(r"\?instance=2&window=lung$"))
    page.keyboard.press("End")
    expect(page.get_by_role("img", name=f"image {PICTURES} of {PICTURES}")).to_be_visible()
    expect(page.get_by_role("link", name="Next image")).to_be_disabled()
    page.keyboard.press("?")
    expect(page.get_by_text("ten images")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("ten images")).to_be_hidden()

    expect(page).to_have_url(re.compile(rf"\?instance={PICTURES}&window=lung$"))
    page.reload()
    expect(page.get_by_role("img", name=f"image {PICTURES} of {PICTURES}")).to_be_visible()
    assert page.locator("[data-main]").evaluate("image => image.naturalWidth") > 0
    assert stage.complaints == []
    opened = AuditEvent.objects.filter(action="read", door="portal", actor="maria")
    assert opened.get().study_instance_uid == stage.study.study_instance_uid


def test_wheel_steps_and_never_leaves_the_stack(stage: Stage, open_page: OpenPage):
    page = open_page()
    page.goto(stage.pages["stepper"])
    page.locator("[data-wheel]").hover()
    page.mouse.wheel(0, 120)
    expect(page.locator("[data-place]")).to_have_text("3")
    page.mouse.wheel(0, 9000)
    expect(page.locator("[data-place]")).to_have_text(str(PICTURES))
    assert stage.complaints == []


def test_an_earlier_study_stands_beside_and_steps_along(stage: Stage, open_page: OpenPage):
    store_earlier(stage)
    page = open_page()
    page.goto(stage.pages["study"])
    page.get_by_role("link", name="Images beside this study").click()
    places = page.locator("[data-place]")
    expect(page.locator("[data-main]")).to_have_count(2)
    expect(page.get_by_text("Earlier", exact=True)).to_be_visible()
    page.wait_for_load_state("domcontentloaded")
    page.keyboard.press("ArrowDown")
    expect(places).to_have_text(["2", "2"])
    page.get_by_label("Step together").uncheck()
    page.locator("[data-wheel]").nth(1).hover()
    page.mouse.wheel(0, 50)
    expect(places).to_have_text(["2", "3"])
    expect(page).to_have_url(re.compile(r"[?&]instance=2&beside_instance=3$"))
    page.reload()
    expect(places).to_have_text(["2", "3"])
    for number in (0, 1):
        picture = page.locator("[data-main]").nth(number)
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    page.get_by_role("link", name="Close the earlier study").click()
    expect(page.locator("[data-main]")).to_have_count(1)
    assert stage.complaints == []


def test_stepper_works_without_scripts(stage: Stage, open_page: OpenPage):
    page = open_page(java_script_enabled=False)
    page.goto(stage.pages["stepper"])
    for place in range(2, PICTURES + 1):
        page.get_by_role("link", name="Next image").click()
        expect(page.get_by_role("img", name=f"image {place} of {PICTURES}")).to_be_visible()
    page.get_by_role("link", name="Bone").click()
    expect(page).to_have_url(re.compile(rf"\?instance={PICTURES}&window=bone$"))
    page.get_by_role("link", name="First image").click()
    expect(page.get_by_role("img", name=f"image 1 of {PICTURES}")).to_be_visible()


def test_picture_that_fails_is_said_in_words(stage: Stage, open_page: OpenPage):
    page = open_page()
    page.route(re.compile(r"/rendered"), lambda route: route.fulfill(status=404, body=""))
    page.goto(stage.pages["stepper"])
    expect(page.get_by_text("This image cannot be shown.")).to_be_visible()
    expect(page.locator("[data-main]")).to_be_hidden()


def test_distribution_changes_while_one_looks(stage: Stage, open_page: OpenPage):
    page = open_page()
    page.goto(stage.pages["study"])
    expect(page.get_by_text("Queued")).to_be_visible()
    Delivery.objects.update(state=Delivery.DEAD, reason_code="request_refused", reason="403 Forbidden")
    expect(page.get_by_text("Failed")).to_be_visible()
    expect(page.get_by_text("403 Forbidden")).to_be_visible()
    assert stage.complaints == []


def test_language_and_theme_are_chosen_in_the_menu(stage: Stage, open_page: OpenPage):
    page = open_page(color_scheme="light")
    page.goto(stage.pages["patient"])
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != light
    page.locator("[data-menu] summary").click()
    page.get_by_role("button", name="Svenska").click()
    expect(page.get_by_role("link", name="Öppna bilder")).to_be_visible()
    assert stage.complaints == []
