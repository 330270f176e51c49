"""Searches beside a second reading of PS3.4 C.2.2.2: plain Python over the data sets themselves."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword

from registry.facts import series_facts, study_facts
from registry.models import Study
from registry.search import Paging, count_matches, search
from repository.dicomweb.search_parameters import parse_search
from tests.registry.factories import (
    make_actor,
    make_department,
    make_home,
    make_region_actor,
    make_series,
    make_study,
)

pytestmark = pytest.mark.django_db

DATES = ("", "20250101", "20250102", "20250110")
TIMES = ("", "09", "0930", "093000", "093000.5", "101500", "235959.999999")
TEXTS = ("", "CT", "ct", "CT head", "C_T", "C%T", "[CT]", "A.B", "x!y")
NAMES = ("", "Åker^Lars", "Aker^Lars", "ÅKER^Lars", "Yamada^Tarou=山田^太郎", "Åker")
STEPS = ("", "S1", "S2", "s1")


@contextmanager
def rolled_back() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@st.composite
def data_sets(draw: st.DrawFn) -> Dataset:
    """Make a data set of one study with one series."""
    dataset = Dataset()
    dataset.StudyDate, dataset.StudyTime = draw(st.sampled_from(DATES)), draw(st.sampled_from(TIMES))
    dataset.StudyDescription, dataset.AccessionNumber = (
        draw(st.sampled_from(TEXTS)),
        draw(st.sampled_from(TEXTS)),
    )
    dataset.PatientName = draw(st.sampled_from(NAMES))
    dataset.SeriesNumber = draw(st.sampled_from([None, 1, 2]))
    dataset.Modality = draw(st.sampled_from(["CT", "MR"]))
    dataset.RequestAttributesSequence = []
    for _ in range(draw(st.integers(0, 2))):
        item = Dataset()
        item.ScheduledProcedureStepID = draw(st.sampled_from(STEPS))
        item.RequestedProcedureID = draw(st.sampled_from(STEPS))
        dataset.RequestAttributesSequence.append(item)
    return dataset


def patterns_of(texts: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Draw a text, sometimes with a wildcard in the place of some of it."""

    def blur(text: str, at: int, sign: str) -> str:
        return f"{text[:at]}{sign}{text[at + 1 :]}"

    blurred = st.builds(blur, st.sampled_from(texts), st.integers(0, 4), st.sampled_from(["*", "?"]))
    return st.sampled_from(texts) | blurred


def ranges_of(texts: tuple[str, ...]) -> st.SearchStrategy[str]:
    known = tuple(text for text in texts if text)
    bounds = st.tuples(st.sampled_from(known), st.sampled_from(known)).map(sorted)
    whole = bounds.map("-".join)
    return (
        st.sampled_from(known) | whole | bounds.map(lambda b: f"{b[0]}-") | bounds.map(lambda b: f"-{b[1]}")
    )


KEYS: dict[str, st.SearchStrategy[str]] = {
    "StudyDate": ranges_of(DATES),
    "StudyTime": ranges_of(TIMES),
    "StudyDescription": patterns_of(TEXTS),
    "AccessionNumber": patterns_of(TEXTS),
    "PatientName": patterns_of(NAMES),
    "SeriesNumber": st.sampled_from(["1", "02", "3"]),
    "Modality": st.sampled_from(["CT", "CT,MR", "M*", "ct"]),
    "RequestAttributesSequence.ScheduledProcedureStepID": patterns_of(STEPS),
    "RequestAttributesSequence.RequestedProcedureID": patterns_of(STEPS),
}


def like(value: str, pattern: str) -> bool:
    signs = {"*": "(?s:.*)", "?": "(?s:.)"}
    return re.fullmatch("".join(signs.get(c, re.escape(c)) for c in pattern), value) is not None


def in_range(value: str, key: str, width: str) -> bool:
    """Compare padded digits: a bound holds as far as it says, a value is its first moment."""
    if not value:
        return False
    low, hyphen, high = key.partition("-")
    high = high if hyphen else low
    value = pad(value, "000000.000000"[: len(width)])
    return (not low or pad(low, "000000.000000"[: len(width)]) <= value) and (
        not high or value <= pad(high, width)
    )


def pad(text: str, filling: str) -> str:
    return text + filling[len(text) :]


def name_matches(value: str, key: str) -> bool:
    groups = value.casefold().split("=")
    wanted = key.casefold()
    if "=" not in key and key.isascii():
        return like(groups[0], wanted) or (wanted.endswith("*") and like(value.casefold(), wanted))
    return any(like("=".join(groups[: n + 1]), wanted) for n in range(len(groups))) or any(
        like("=".join(groups[n:m]), wanted) for n in range(len(groups)) for m in range(n + 1, len(groups) + 1)
    )


def element_matches(dataset: Dataset, keyword: str, key: str) -> bool:
    vr = dictionary_VR(tag_for_keyword(keyword))
    value = dataset.get(keyword)
    text = "" if value is None else str(value)
    if not key.strip("*"):
        return True
    if vr == "DA":
        return in_range(text, key, "99999999")
    if vr == "TM":
        return in_range(text, key, "235959.999999")
    if vr == "PN":
        return name_matches(text, key)
    if vr == "IS":
        return text != "" and int(text) == int(key)
    return any(like(text, part) for part in (key.split(",") if vr == "CS" else [key]))


def matches(dataset: Dataset, keys: dict[str, str]) -> bool:
    keys = dict(keys)
    days, times = keys.get("StudyDate", ""), keys.get("StudyTime", "")
    if [bool(part) for part in days.partition("-")] == [
        bool(part) for part in times.partition("-")
    ] and "-" in days:
        del keys["StudyDate"], keys["StudyTime"]
        (first, _, last), (begin, _, end) = days.partition("-"), times.partition("-")
        moment = dataset.StudyDate + dataset.StudyTime if dataset.StudyDate else ""
        low = first + trim(begin) if first else ""
        high = last + pad(end, "235959.999999") if last else ""
        if not moment or (low and moment < low) or (high and moment > high):
            return False
    inside = {key.split(".")[1]: value for key, value in keys.items() if "." in key}
    wanted = {keyword: value for keyword, value in inside.items() if value.strip("*")}
    items = dataset.RequestAttributesSequence
    if wanted and not any(all(element_matches(item, *pair) for pair in wanted.items()) for item in items):
        return False
    return all(element_matches(dataset, *pair) for pair in keys.items() if "." not in pair[0])


def trim(time: str) -> str:
    """Drop what says nothing: 093000 is 0930 is 09:30."""
    time = time.rstrip("0").rstrip(".") if "." in time else time
    return re.sub(r"(?<=..)(00)?(00)?$", "", time)


def store(dataset: Dataset, department: Any) -> Study:
    plain = dataset.to_json_dict()
    columns = {
        k: v
        for k, v in asdict(study_facts(plain)).items()
        if k not in ("study_instance_uid", "accession_issuer")
    }
    study = make_study(department, modalities=(), **columns)
    Study.objects.filter(pk=study.pk).update(number_of_study_related_instances=1)
    values = {k: v for k, v in asdict(series_facts(plain)).items() if k != "series_instance_uid"}
    make_series(study, **values)
    make_home(study, department, dataset.Modality)
    return study


@settings(max_examples=40, deadline=None)
@given(
    sets=st.lists(data_sets(), min_size=1, max_size=5),
    keys=st.lists(st.sampled_from(sorted(KEYS)), max_size=3, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({key: KEYS[key] for key in chosen})
    ),
)
def test_searches_find_what_a_plain_reading_finds(sets: list[Dataset], keys: dict[str, str]) -> None:
    with rolled_back():
        department = make_department()
        rows = [store(dataset, department) for dataset in sets]
        expected = {row.pk for row, dataset in zip(rows, sets, strict=True) if matches(dataset, keys)}
        asked = parse_search("study", urlencode(keys)).matches
        for actor in (make_actor(department), make_region_actor()):
            for level in ("study", "series"):
                found = search(level, asked, Paging(100), actor).rows
                assert {row.pk if level == "study" else row.study_id for row in found} == expected
                assert count_matches(level, asked, actor) == len(expected)
