"""An earlier study stands beside the one that is read: of the same patient, decided and logged as any other."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from access.models import AuditEvent
from tests.frontend import factory
from tests.frontend.test_earlier import make_prior


@pytest.fixture
def prior(world):
    """An earlier CT of the chest with two series of pictures, at the own hospital."""
    study = make_prior(world, world.region.lund, "DT thorax", "20240102")
    factory.make_series(study, (None,), modality="MR", series_description="Other", series_number=1)
    factory.make_series(study, (None, None), series_description="Lung", series_number=2)
    return study


def links_of(page: str, mark: str) -> list[str]:
    """Return the addresses of the links that a pattern finds."""
    return [html.unescape(href) for href in re.findall(rf'<a[^>]*href="([^"]+)"[^>]*>{mark}', page)]


def pictures_of(page: str) -> list[str]:
    """Return the series of the large pictures, in order."""
    return re.findall(r'<img src="[^"]*/series/([0-9.]+)/[^"]*"[^>]*data-main', page)


def show(portal, world, query: str) -> str:
    response = portal.get(world.pages["stepper"] + query)
    assert response.status_code == 200
    page: str = response.content.decode()
    return page


def test_priors_are_offered_and_open_beside(world, portal, prior):
    [offer] = links_of(show(portal, world, "?instance=2"), "2024-01-02 DT thorax")
    assert parse_qs(offer[1:]) == {"instance": ["2"], "beside": [prior.study_instance_uid]}
    page = show(portal, world, offer)
    lung = prior.series.get(series_number=2)
    assert pictures_of(page) == [world.series.series_instance_uid, lung.series_instance_uid]
    assert '<span class="earlier-mark">Earlier</span> DT thorax' in page
    [closing] = links_of(page, "Close the earlier study")
    assert closing == "?instance=2"
    assert "Earlier</span>" not in show(portal, world, closing)


def test_each_steps_by_itself_and_keeps_what_the_other_shows(world, portal, prior):
    page = show(portal, world, f"?instance=3&window=lung&beside={prior.study_instance_uid}&nonsense=1")
    nexts = re.findall(r'rel="next"[^>]*href="([^"]+)"', page)
    beside = {"beside": [prior.study_instance_uid], "window": ["lung"], "instance": ["3"]}
    assert [parse_qs(urlsplit(html.unescape(href)).query) for href in nexts] == [
        beside | {"frame": ["2"]},
        beside | {"beside_instance": ["2"]},
    ]
    [other] = links_of(page, "Other</a>")
    mr = prior.series.get(series_number=1)
    assert parse_qs(other[1:])["beside_series"] == [mr.series_instance_uid]
    assert pictures_of(show(portal, world, other))[1] == mr.series_instance_uid
    assert (
        show(portal, world, f"?beside={prior.study_instance_uid}&beside_instance=2").count("2</span> / 2")
        == 1
    )


def test_what_stands_beside_is_in_the_log(world, portal, prior):
    show(portal, world, f"?beside={prior.study_instance_uid}")
    read = AuditEvent.objects.filter(action="read", study_instance_uid=prior.study_instance_uid)
    assert read.get().door == "portal"


def test_what_may_not_be_opened_does_not_stand_beside(world, portal):
    hidden = make_prior(world, world.region.private, "DT thorax", "20240102")
    other = factory.make_study(factory.make_patient("Ek^Olle", "189001019802"), world.region.lund)
    factory.make_series(other)
    for uid in (
        hidden.study_instance_uid,
        other.study_instance_uid,
        "1.2.3",
        "x",
        world.study.study_instance_uid,
    ):
        assert portal.get(f"{world.pages['stepper']}?beside={uid}").status_code == 404


def test_a_series_of_another_study_is_none_of_the_earlier_one(world, portal, prior):
    own = world.series.series_instance_uid
    query = f"?beside={prior.study_instance_uid}&beside_series={own}"
    assert portal.get(world.pages["stepper"] + query).status_code == 404


def test_documents_and_empty_studies_do_not_break_the_page(world, portal):
    empty = make_prior(world, world.region.lund, "DT thorax", "20240102")
    query = f"?beside={empty.study_instance_uid}"
    assert len(pictures_of(show(portal, world, query))) == 1
    factory.make_document_series(empty)
    page = show(portal, world, query)
    assert len(pictures_of(page)) == 1
    assert "Earlier</span> DT thorax" in page


def test_the_study_page_leads_to_both(world, portal, prior):
    page = portal.get(world.pages["study"]).content.decode()
    [href] = links_of(page, "Images beside this study")
    assert href == f"{world.pages['stepper']}?beside={prior.study_instance_uid}"
    assert len(pictures_of(portal.get(href).content.decode())) == 2
