"""The demo region as the registry understands it: four makers' words, one procedure and one region an examination."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.utils.translation import override

from access.models import Department
from deploy.region.build import build_study
from deploy.region.facts import Region, RegionSize
from deploy.region.plan import plan_region
from frontend.studies import make_row, with_row_facts
from registry.facts import series_facts, study_facts
from registry.harmonise.coverage import Coverage, read_coverage
from registry.harmonise.duty import write_values
from registry.harmonise.tables import read_tables
from registry.models import Series, Study
from registry.register_segment import values_of
from repository.part10 import read_header
from tests.registry.factories import make_department, make_study

PAGE = Path(__file__).parents[2] / "docs" / "harmonised-codes.md"
DELIVERED = RegionSize()


@pytest.fixture(scope="module")
def region() -> Region:
    """The region of the first start; small pictures say the same of themselves as large ones."""
    small = plan_region(replace(DELIVERED, slices=1, size_px=32, frames=1))
    assert small.studies == plan_region(DELIVERED).studies
    return small


@pytest.fixture
def stored(db, region: Region) -> dict[int, tuple[str, str]]:
    """Every study of the region in the registry; by its key which kind of examination it is, and whose maker's."""
    departments: dict[str, Department] = {}
    kinds = {}
    for planned in region.studies:
        hospital = planned.hospital
        department = departments.setdefault(hospital.code, make_department())
        series: dict[str, dict[str, Any]] = {}
        for file in build_study(region, planned):
            attributes = read_header(file).attributes
            series.setdefault(attributes["0020000E"]["Value"][0], attributes)
        first, *_ = series.values()
        study = make_study(department, modalities=())
        columns = values_of(study_facts(first)) | {"number_of_study_related_instances": len(series)}
        columns["modalities_in_study"] = sorted({one["00080060"]["Value"][0] for one in series.values()})
        Study.objects.filter(pk=study.pk).update(**columns)
        Series.objects.bulk_create(
            Series(study=study, **values_of(series_facts(one)), number_of_series_related_instances=1)
            for one in series.values()
        )
        kinds[study.pk] = (planned.exam.kind, hospital.maker.name)
    write_values(sorted(kinds), read_tables())
    return kinds


def test_an_examination_is_one_procedure_and_one_region_whoever_made_it(stored) -> None:
    seen = defaultdict(set)
    makers = defaultdict(set)
    with override("sv"):
        for study in with_row_facts(Study.objects.filter(pk__in=stored)):
            kind, maker = stored[study.pk]
            row = make_row(study)
            seen[kind].add((study.harmonised.procedure_code, row.body_regions))
            makers[kind].add(maker)
    assert len({maker for names in makers.values() for maker in names}) == 4
    assert max(len(names) for names in makers.values()) == 4
    for kind, values in seen.items():
        assert len(values) == 1, kind
        [(procedure, regions)] = values
        assert procedure
        assert len(regions) == 1


def test_the_figures_of_the_page_are_those_of_the_region(stored) -> None:
    coverage = read_coverage()
    assert f"each | {' to '.join(range_of(coverage))} | 100 % | 100 % | 0 |" in PAGE.read_text()
    assert {(row.procedure_percent, row.region_percent, row.open_words) for row in coverage} == {
        (100, 100, 0)
    }
    total = sum(row.studies for row in coverage)
    assert (
        f"| all | {total} | {total} | {total} | 0 | {', '.join(write_basis(coverage))} |" in PAGE.read_text()
    )


def range_of(coverage: tuple[Coverage, ...]) -> tuple[str, str]:
    counts = [row.studies for row in coverage]
    return str(min(counts)), str(max(counts))


def write_basis(coverage: tuple[Coverage, ...]) -> Iterator[str]:
    totals: dict[str, int] = defaultdict(int)
    for row in coverage:
        for name, count in row.by_basis:
            totals[name] += count
    return (f"{name.replace('_', ' ')} {count}" for name, count in totals.items() if count)
