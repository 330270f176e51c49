"""Priors: same part of the body, seen alike, recent; never what is later, of elsewhere or too old."""

from datetime import date, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from registry.harmonise.vocabulary import (
    BREAST,
    ENTIRE_BODY,
    FAMILIES,
    HEAD_AND_NECK,
    HEART,
    LOWER_LIMB,
    REGION_NAMES,
    UPPER_TRUNK,
)
from registry.models import Harmonised, Order
from registry.priors import Examination, find_priors, find_priors_of_order, rank_priors
from tests.registry.factories import make_department, make_study

EXAMINATIONS = st.builds(
    Examination,
    st.integers(1, 50),
    st.dates(min_value=date(1990, 1, 1), max_value=date(2030, 12, 31)).map(lambda day: f"{day:%Y%m%d}")
    | st.just(""),
    st.sampled_from(sorted({*FAMILIES.values(), "OT", ""})),
    st.frozensets(st.sampled_from(sorted(REGION_NAMES)), max_size=3),
    st.sampled_from(["", "R", "L", "B"]),
)


def make(key, date, family="CT", regions=(HEAD_AND_NECK,), side=""):
    return Examination(key, date, family, frozenset(regions), side)


def make_study_of(person, department, **values):
    study = make_study(department, **values)
    study.person = person
    study.save()
    return study


def keys_of(current, *earlier, **options):
    return [each.key for each in rank_priors(current, earlier, **options)]


def test_the_same_family_comes_before_a_like_one_and_the_newest_first():
    now = make(1, "20260101")
    older, newer, magnetic = make(2, "20240101"), make(3, "20250101"), make(4, "20251201", "MR")
    assert keys_of(now, older, magnetic, newer) == [3, 2, 4]
    assert keys_of(now, older, magnetic, newer, most=2) == [3, 2]


def test_another_part_of_the_body_a_later_or_an_old_study_is_no_prior():
    now = make(1, "20260101")
    foot, later, old = make(2, "20250101", regions=[LOWER_LIMB]), make(3, "20260102"), make(4, "20151231")
    undated, itself = make(5, ""), make(1, "20260101")
    assert keys_of(now, foot, later, old, undated, itself) == []
    assert keys_of(now, old, years=11) == [4]


def test_heart_and_chest_are_near_and_the_whole_body_shows_all_but_the_breast():
    now = make(1, "20260101", "CT", [HEART])
    assert keys_of(now, make(2, "20250101", "XR", [UPPER_TRUNK])) == [2]
    assert keys_of(now, make(2, "20250101", "PT", [ENTIRE_BODY])) == [2]
    mammogram = make(1, "20260101", "MG", [BREAST])
    assert keys_of(mammogram, make(2, "20250101", "CT", [ENTIRE_BODY])) == []


def test_the_other_side_comes_last_of_its_family():
    now = make(1, "20260101", "XR", [LOWER_LIMB], "R")
    left, right = (
        make(2, "20251201", "XR", [LOWER_LIMB], "L"),
        make(3, "20200101", "XR", [LOWER_LIMB], "R"),
    )
    assert keys_of(now, left, right) == [3, 2]


def test_where_the_part_is_not_known_only_the_same_family_counts():
    now = make(1, "20260101", "CT", [])
    assert keys_of(now, make(2, "20250101", "CT"), make(3, "20250101", "MR")) == [2]


@given(EXAMINATIONS, st.lists(EXAMINATIONS, max_size=12), st.integers(0, 5), st.integers(1, 20))
def test_priors_are_some_of_the_earlier_ones_in_any_order_of_asking(current, earlier, most, years):
    found = rank_priors(current, earlier, most=most, years=years)
    assert len(found) <= most
    assert all(each in earlier and each.key != current.key for each in found)
    assert all(each.study_date and each.study_date <= (current.study_date or "9") for each in found)
    again = rank_priors(current, list(reversed(earlier)), most=most, years=years)
    assert [(e.study_date, e.modality_family) for e in again] == [
        (e.study_date, e.modality_family) for e in found
    ]


@pytest.mark.django_db
def test_priors_of_a_study_are_found_by_its_harmonised_values():
    hospital, other = make_department(), make_department()
    now = make_study(hospital, modalities=("CT",), study_date="20260110", study_description="CT hjärna")
    kept = make_study_of(now.person, other, modalities=("MR",), study_date="20250110")
    Harmonised.objects.create(
        study=kept, version=1, modality_family="MR", body_regions=[HEAD_AND_NECK], made_at=timezone.now()
    )
    make_study_of(now.person, hospital, study_date="20250110", study_description="CT knä")
    make_study(hospital, study_date="20250110", study_description="CT hjärna")
    disputed = make_study_of(
        now.person, hospital, study_date="20250110", study_description="CT hjärna", in_conflict=True
    )
    assert find_priors(now) == [kept]
    disputed.in_conflict = False
    disputed.save()
    assert find_priors(now) == [disputed, kept]
    assert find_priors(now, most=1) == [disputed]


@pytest.mark.django_db
def test_priors_of_an_order_are_found_by_what_it_asks_for():
    hospital = make_department()
    known = make_study(hospital, modalities=("CT",), study_date="20250110", study_description="CT hjärna")
    order = Order.objects.create(
        patient=known.person,
        accession_number="A1",
        accession_issuer="SE-X",
        performing_department=hospital,
        procedure_code="8123",
        procedure_code_scheme="99LOCAL",
        procedure_text="DT hjärna",
        scheduled_at=timezone.now() + timedelta(days=2),
    )
    assert find_priors_of_order(order) == [known]
    order.procedure_text = "Röntgen fot"
    assert find_priors_of_order(order) == []
