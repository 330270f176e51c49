"""The study page names the earlier studies that bear on the one that is shown, and only those that open."""

import re

from tests.frontend import factory

TITLE = "Earlier studies that bear on this one"


def make_prior(world, department, description, date, modality="CT"):
    return factory.make_study(
        world.patient,
        department,
        modality,
        study_description=description,
        study_date=date,
        accession_number="",
    )


def read_earlier(portal, world):
    page = portal.get(world.pages["study"]).content.decode()
    part = re.search(rf'<h2[^>]*id="earlier-title">{TITLE}</h2>(.*?)</section>', page, re.DOTALL)
    return re.findall(r'<a href="/studies/([0-9.]+)/">', part[1]) if part else []


def test_the_same_part_seen_alike_comes_first_whatever_its_source_calls_it(world, portal):
    chest = make_prior(world, world.region.lund, "HJÄRTA OCH LUNGOR, DR", "20240102", "DX")
    newer = make_prior(world, world.region.lund, "CT chest", "20230102")
    make_prior(world, world.region.lund, "MR knä", "20250102", "MR")
    assert read_earlier(portal, world) == [newer.study_instance_uid, chest.study_instance_uid]


def test_what_does_not_open_is_neither_named_nor_counted(world, portal):
    make_prior(world, world.region.private, "DT thorax", "20240102")
    assert read_earlier(portal, world) == []
    assert TITLE not in portal.get(world.pages["study"]).content.decode()


def test_the_same_studies_are_listed_in_swedish(world, portal):
    make_prior(world, world.region.lund, "DT thorax", "20240102")
    page = portal.get(world.pages["study"], headers={"accept-language": "sv"}).content.decode()
    assert "Tidigare undersökningar av betydelse för denna" in page
