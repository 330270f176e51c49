"""Dates and times of a search that are meant in another time zone. The archive's own is Europe/Stockholm."""

import pytest

from registry.matching import InvalidSearch, Match, make_match
from registry.search import Paging, search
from registry.time_zones import move_to_local
from repository.dicomweb.search_parameters import parse_search
from tests.registry.factories import make_department, make_region_actor, make_study


def move(offset: str, **keys: str) -> dict[str, tuple[str, str]]:
    matches: list[Match] = [make_match("study", key, value) for key, value in keys.items()]
    return {match.attribute.keyword: (match.value, match.time) for match in move_to_local(matches, offset)}


@pytest.mark.parametrize(
    ("offset", "date", "time", "expected"),
    [
        ("+0100", "20250101", "", ("20250101-20250101", "000000.000000-235959.999999")),
        ("-0500", "20250101", "", ("20250101-20250102", "060000.000000-055959.999999")),
        ("+0000", "20250701", "2330", ("20250702-20250702", "013000.000000-013059.999999")),
        ("0000", "20250101-20250102", "1000-1200", ("20250101-20250102", "110000.000000-130059.999999")),
        ("+1400", "20250101-", "", ("20241231-", "110000.000000-")),
        ("+0200", "-20250101", "-0030", ("-20241231", "-233059.999999")),
    ],
)
def test_moments_are_moved(offset: str, date: str, time: str, expected: tuple[str, str]) -> None:
    keys = {"StudyDate": date} | ({"StudyTime": time} if time else {})
    assert move(offset, **keys) == {"StudyDate": expected}


def test_other_keys_stay_as_they_are() -> None:
    assert move("+0900", PatientBirthDate="19121212", PatientID="1") == {
        "PatientBirthDate": ("19121212", ""),
        "PatientID": ("1", ""),
    }


@pytest.mark.parametrize(
    "query",
    [
        "TimezoneOffsetFromUTC=CET&StudyDate=20250101",
        "TimezoneOffsetFromUTC=%2B2500&StudyDate=20250101",
        "TimezoneOffsetFromUTC=%2B0100&StudyTime=10",
        "TimezoneOffsetFromUTC=%2B0100&StudyDate=20250231",
        "TimezoneOffsetFromUTC=%2B0100&StudyDate=20250101-&StudyTime=10-11",
        "TimezoneOffsetFromUTC=%2B0100&00080201=%2B0200&StudyDate=20250101",
        "00080201=%2B0100&StudyDate=00010101",
    ],
)
def test_what_cannot_be_moved_is_refused(query: str) -> None:
    with pytest.raises(InvalidSearch):
        parse_search("study", query)


@pytest.mark.django_db
def test_a_search_in_another_zone() -> None:
    department = make_department()
    one = make_study(department, study_date="20250102", study_time="0130")
    make_study(department, study_date="20250102", study_time="0700")
    request = parse_search("study", "StudyDate=20250101&TimezoneOffsetFromUTC=-0500")
    assert search("study", request.matches, Paging(9), make_region_actor()).rows == (one,)
