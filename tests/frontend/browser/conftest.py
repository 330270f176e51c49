"""A server with a study that was stored over HTTP, and a browser that reports everything it did not like."""

import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from access.authentication import issue_token
from access.models import ApiClient
from registry.models import Study
from tests.frontend import factory
from tests.support.dicom import StudyFacts, content_type, make_boundary, make_series, multipart_body

AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe" / "axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PICTURES = 5


@dataclass(slots=True)
class Stage:
    """The server's address, what it shows, and what the browsers complained of."""

    url: str
    region: factory.Region
    study: Study
    complaints: list[str] = field(default_factory=list)

    @property
    def pages(self) -> dict[str, str]:
        """Every page for a person who is logged in, by name."""
        study = f"/studies/{self.study.study_instance_uid}/"
        pictures = self.study.series.get(modality="CT").series_instance_uid
        return {
            "start": "/",
            "search": "/search/",
            "assignment": "/assignment/",
            "patient": f"/patients/{self.study.person_id}/",
            "study": study,
            "stepper": f"{study}series/{pictures}/",
            "why": f"{study}why/?department={self.region.ystad.pk}",
            "missing": "/no-such-page/",
        }

    def watch(self, page: Page) -> None:
        """Note console messages, faults of scripts and requests to anybody else."""
        page.on("console", lambda message: self.complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("request", lambda request: self._check_address(request.url))

    def _check_address(self, url: str) -> None:
        if not url.startswith((self.url, "data:")):
            self.complaints.append(f"outside: {url}")


OpenPage = Callable[..., Page]


@pytest.fixture
def stage(live_server, transactional_db) -> Stage:
    """Store a CT at a hospital, give it a report, a request and a delivery, and hire a clinician."""
    region = factory.make_region()
    factory.make_person(region.lund)
    client = ApiClient.objects.create(name="modality", department=region.lund)
    facts = StudyFacts(study_description="DT thorax uppföljning")
    store(live_server.url, issue_token(client).text, make_series(facts, PICTURES))
    study = Study.objects.get(study_instance_uid=facts.study_instance_uid)
    factory.make_report(study, ("preliminary", "Oklar förtätning."), ("final", "Oförändrad nodulus."))
    factory.make_order(study, region.ystad, "Tillväxt?")
    factory.make_delivery(study, region.ystad, "ready")
    return Stage(live_server.url, region, study)


@pytest.fixture
def open_page(stage: Stage, browser: Browser) -> Iterator[OpenPage]:
    """Open pages in contexts of their own; options are those of a browser context."""
    contexts: list[BrowserContext] = []

    def open_new(*, log_in: bool = True, **options) -> Page:
        defaults = {"locale": "en-GB", "viewport": {"width": 1440, "height": 900}}
        context = browser.new_context(base_url=stage.url, **(defaults | options))
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        stage.watch(page)
        if log_in:
            page.goto("/")
            fill_focused(page, "[name=login]", "maria")
            page.locator("[name=password]").fill(factory.PASSWORD)
            page.locator("main button.primary").click()
            expect(page.locator("#q")).to_be_focused()
        return page

    yield open_new
    for context in contexts:
        context.close()


def fill_focused(page: Page, selector: str, text: str) -> None:
    """Type into the field that the page puts the cursor in; sooner, the browser complains of the haste."""
    field_ = page.locator(selector)
    expect(field_).to_be_focused()
    field_.fill(text)


def store(url: str, token: str, instances: tuple[bytes, ...]) -> None:
    """Store instances through STOW-RS."""
    boundary = make_boundary()
    request = urllib.request.Request(
        f"{url}/dicom-web/studies",
        data=multipart_body(instances, boundary),
        headers={"Content-Type": content_type(boundary), "Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def store_earlier(stage: Stage) -> None:
    """Store an examination of the same patient and the same part of the body from three years before."""
    facts = StudyFacts(study_description="DT thorax", study_date="20210102", accession_number="A0")
    client = ApiClient.objects.get(name="modality")
    store(stage.url, issue_token(client).text, make_series(facts, PICTURES))


def find_barriers(page: Page) -> list[str]:
    """Run axe on a page (its context must bypass the policy) and return what it found, one line a rule."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", AXE_TAGS)
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
