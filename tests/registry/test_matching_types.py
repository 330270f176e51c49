"""Matching types beyond the plain ones: items, moments, name groups, empty values, all values of a list."""

from typing import Any

import pytest

from access.actor import Actor
from access.models import Department
from registry.attributes import Level
from registry.matching import (
    LITERAL,
    MAX_WILDCARDS,
    Rules,
    UnreadableKeyValue,
    UnsupportedKey,
    join_ranges,
    make_match,
)
from registry.models import Study
from registry.search import Paging, search
from tests.registry.factories import (
    make_actor,
    make_department,
    make_home,
    make_region_actor,
    make_series,
    make_study,
)

pytestmark = pytest.mark.django_db
EMPTY = Rules(empty=True)
EVERY = Rules(every=True)


@pytest.fixture
def department() -> Department:
    return make_department()


@pytest.fixture(params=["person", "region"])
def actor(request: pytest.FixtureRequest, department: Department) -> Actor:
    return make_actor(department) if request.param == "person" else make_region_actor()


def find(actor: Actor, *keys: tuple[str, str], rules: Rules = LITERAL, level: Level = "study") -> set[object]:
    matches = [make_match(level, key, value, rules) for key, value in keys]
    return {row.pk for row in search(level, join_ranges(matches), Paging(1000), actor).rows}


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def with_items(department: Department, *items: dict[str, Any]) -> Study:
    return make_study(department, series_values={"request_attributes_sequence": list(items)})


def test_keys_of_a_sequence_are_about_one_item(department: Department, actor: Actor) -> None:
    first = {"00400009": element("SH", "S1"), "00401001": element("SH", "P1")}
    second = {"00400009": element("SH", "S2"), "00401001": element("SH", "P2")}
    one = with_items(department, first, second)
    crossed = {"00400009": element("SH", "S1"), "00401001": element("SH", "P2")}
    other = with_items(department, crossed)
    joined = make_match("study", "00400275.00400009", "S1")
    more = make_match("study", "RequestAttributesSequence.RequestedProcedureID", "P2")
    both = type(joined)(joined.attribute, "", (*joined.items, *more.items))
    assert {row.pk for row in search("study", [both], Paging(9), actor).rows} == {other.pk}
    assert find(actor, ("00400275.00400009", "S1")) == {one.pk, other.pk}


def test_nested_items(department: Department, actor: Actor) -> None:
    def item(value: str, scheme: str) -> dict[str, Any]:
        return {"00080100": element("SH", value), "00080102": element("SH", scheme)}

    one = with_items(department, {"00321064": element("SQ", item("A", "L"), item("B", "M"))})
    path = "RequestAttributesSequence.RequestedProcedureCodeSequence"
    assert find(actor, (f"{path}.CodeValue", "B")) == {one.pk}
    assert find(actor, (f"{path}.CodeValue", "C")) == set()
    value = make_match("study", f"{path}.00080100", "A")
    scheme = make_match("study", f"00400275.00321064.{'CodingSchemeDesignator'}", "M")
    both = type(value)(value.attribute, "", (*value.items, *scheme.items))
    assert search("study", [both], Paging(9), actor).rows == ()


@pytest.mark.parametrize(
    ("key", "value", "is_found"),
    [
        ("ScheduledProcedureStepStartDate", "20250101-20250201", True),
        ("ScheduledProcedureStepStartDate", "20250116-", False),
        ("ScheduledProcedureStepStartTime", "1030", True),
        ("ScheduledProcedureStepStartTime", "1031-", False),
        ("StudyInstanceUID", "1.9,1.2", True),
        ("StudyInstanceUID", "1.9", False),
        ("ScheduledProcedureStepDescription", "*orax", True),
        ("ScheduledProcedureStepDescription", "*orax*!_[", False),
        ("ScheduledProcedureStepDescription", "X\\CT thorax", True),
        ("00091001", "any*", True),
    ],
)
def test_values_in_items_compare_by_their_vr(
    department: Department, actor: Actor, key: str, value: str, is_found: bool
) -> None:
    one = with_items(
        department,
        {
            "00091001": element("LO", "anything"),
            "0020000D": element("UI", "1.2"),
            "00400002": element("DA", "20250115"),
            "00400003": element("TM", "103000"),
            "00400007": element("LO", "CT thorax"),
        },
    )
    assert find(actor, (f"RequestAttributesSequence.{key}", value)) == ({one.pk} if is_found else set())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("00400275.0020000D", "1.*"),
        ("00400275.00321032", "Doe*"),
        ("00400275.00321064", "x"),
        ("00400275.00400002", "January"),
        ("00400275.00400009", "\\"),
    ],
)
def test_what_cannot_be_matched_in_an_item_is_refused(actor: Actor, key: str, value: str) -> None:
    with pytest.raises(UnreadableKeyValue, match="RequestAttributesSequence"):
        find(actor, (key, value))


@pytest.mark.parametrize(
    "key", ["PatientAge", "00101010", "ReferencedStudySequence.ReferencedSOPInstanceUID"]
)
def test_attributes_without_an_index_are_no_keys(key: str) -> None:
    with pytest.raises(UnsupportedKey):
        make_match("study", key, "x")


def test_a_sequence_without_an_element_takes_no_value() -> None:
    assert make_match("study", "RequestAttributesSequence", "").is_universal
    assert make_match("study", "00400275.00400009", "*").is_universal
    with pytest.raises(UnsupportedKey, match="inside"):
        make_match("study", "RequestAttributesSequence", "x")


MOMENTS = {
    "0705 early": ("20060705", "0930"),
    "0705 late": ("20060705", "1030"),
    "0706 night": ("20060706", "0300"),
    "0706 untimed": ("20060706", ""),
    "0707 early": ("20060707", "175959.5"),
    "0707 late": ("20060707", "1801"),
    "undated": ("", "1200"),
}


@pytest.mark.parametrize(
    ("days", "times", "names"),
    [
        (
            "20060705-20060707",
            "1000-1800",
            {"0705 late", "0706 night", "0706 untimed", "0707 early"},
        ),
        ("20060705-20060707", "2200-0400", {"0706 night", "0706 untimed"}),
        ("20060706-", "0200-", {"0706 night", "0707 early", "0707 late"}),
        ("-20060706", "-0200", {"0705 early", "0705 late", "0706 untimed"}),
        ("20060705-20060707", "1000-", {"0705 late", "0707 early", "0707 late"}),
        ("20060705", "1000-1800", {"0705 late"}),
    ],
)
def test_a_date_and_a_time_range_are_one_range(
    department: Department, actor: Actor, days: str, times: str, names: set[str]
) -> None:
    rows = {
        make_study(department, study_date=date, study_time=time).pk: name
        for name, (date, time) in MOMENTS.items()
    }
    found = find(actor, ("StudyDate", days), ("StudyTime", times))
    assert {name for pk, name in rows.items() if pk in found} == names


def test_moments_of_a_procedure_step(department: Department, actor: Actor) -> None:
    def step(date: str, time: str) -> Study:
        values = {"performed_procedure_step_start_date": date, "performed_procedure_step_start_time": time}
        return make_study(department, series_values=values)

    one = step("20250101", "2300")
    step("20250101", "2100")
    keys = (
        ("PerformedProcedureStepStartDate", "20250101-20250102"),
        ("PerformedProcedureStepStartTime", "2200-0200"),
    )
    assert find(actor, *keys) == {one.pk}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("StudyDate", "20250202-20250201"),
        ("StudyTime", "2200-0200"),
        ("StudyDate", "20251301"),
        ("StudyDate", "20250132-"),
        ("StudyTime", "2460"),
    ],
)
def test_ranges_that_hold_nothing_are_refused(actor: Actor, key: str, value: str) -> None:
    with pytest.raises(UnreadableKeyValue, match=key):
        find(actor, (key, value))


def test_old_dates_are_read(department: Department, actor: Actor) -> None:
    one = make_study(department, study_date="20250314")
    assert find(actor, ("StudyDate", "2025.03.14")) == {one.pk}
    assert find(actor, ("StudyDate", "20250301 - 20250331")) == {one.pk}


def test_names_match_by_group(department: Department, actor: Actor) -> None:
    one = make_study(department, patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう")
    two = make_study(department, patient_name="Wang^XiaoDong=王^小東")
    three = make_study(department, patient_name="Yamada^Tarou")
    cases = {
        "Yamada^Tarou": {one.pk, three.pk},
        "yamada*": {one.pk, three.pk},
        "*tarou": {one.pk, three.pk},
        "山田^太郎": {one.pk},
        "*太郎": {one.pk},
        "やまだ*": {one.pk},
        "Wang^XiaoDong=王^小東": {two.pk},
        "=王*": {two.pk},
        "Yamada*=王*": set(),
        "Yamada": set(),
    }
    for value, expected in cases.items():
        assert find(actor, ("PatientName", value)) == expected, value
    assert find(actor, ("PatientName", "太"), rules=Rules(fuzzy=True)) == {one.pk}


def test_a_fuzzy_name_without_words_is_no_wildcard(department: Department, actor: Actor) -> None:
    make_study(department, patient_name="Åkerström^Lars")
    assert find(actor, ("PatientName", "^"), rules=Rules(fuzzy=True)) == set()


@pytest.mark.parametrize("value", ["a*a*a*b", " ".join("abcdefghijkl")])
def test_fuzzy_names_that_could_run_away_are_refused(actor: Actor, value: str) -> None:
    with pytest.raises(UnreadableKeyValue, match="at most 10 words"):
        find(actor, ("PatientName", value), rules=Rules(fuzzy=True))
    assert find(actor, ("PatientName", value)) == set()


def test_text_is_matched_with_case(department: Department, actor: Actor) -> None:
    one = make_study(department, study_description="CT Thorax", series_values={"series_description": "Axial"})
    assert find(actor, ("StudyDescription", "*Thorax")) == {one.pk}
    assert find(actor, ("StudyDescription", "*thorax")) == set()
    assert find(actor, ("SeriesDescription", "A*")) == {one.pk}
    assert find(actor, ("SeriesDescription", "axial")) == set()


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("PatientName", {"patient_name": ""}),
        ("StudyDate", {"study_date": ""}),
        ("StudyTime", {}),
        ("StudyID", {}),
        ("ProcedureCodeSequence", {}),
        ("SeriesNumber", {}),
        ("BodyPartExamined", {}),
        ("RequestAttributesSequence.ScheduledProcedureStepID", {}),
    ],
)
def test_empty_values(department: Department, actor: Actor, key: str, values: dict[str, Any]) -> None:
    item = {"00400009": element("SH", "S1")}
    make_study(
        department,
        patient_name="A",
        study_date="20250101",
        study_time="10",
        study_id="1",
        procedure_code_sequence=[item],
        series_values={"request_attributes_sequence": [item], "body_part_examined": "CHEST"},
    )
    one = make_study(department, **values, modalities=())
    make_series(one, modality="CT", series_number=None, request_attributes_sequence=[{}])
    make_home(one, department, "CT")
    Study.objects.filter(pk=one.pk).update(number_of_study_related_instances=1)
    assert find(actor, (key, '""'), rules=EMPTY) == {one.pk}


def test_the_empty_mark_is_literal_unless_asked_for(department: Department, actor: Actor) -> None:
    one = make_study(department, accession_number='""')
    make_study(department, accession_number="")
    assert find(actor, ("AccessionNumber", '""')) == {one.pk}
    with pytest.raises(UnreadableKeyValue):
        find(actor, ("StudyDate", '""'))


def test_all_values_of_a_list(department: Department, actor: Actor) -> None:
    one = make_study(department, modalities=("CT", "PT", "SR"))
    two = make_study(department, modalities=("CT",))
    none = make_study(department, modalities=("",))
    assert find(actor, ("ModalitiesInStudy", "CT\\PT")) == {one.pk, two.pk}
    assert find(actor, ("ModalitiesInStudy", "PT\\CT"), rules=EVERY) == {one.pk}
    assert find(actor, ("ModalitiesInStudy", "CT"), rules=EVERY) == {one.pk, two.pk}
    assert find(actor, ("ModalitiesInStudy", '""'), rules=EMPTY) == {none.pk}
    with pytest.raises(UnreadableKeyValue, match="ModalitiesInStudy"):
        find(actor, ("ModalitiesInStudy", "C*\\PT"), rules=EVERY)


def test_lists_without_a_value_find_nothing(department: Department, actor: Actor) -> None:
    make_study(department)
    for key in ("StudyInstanceUID", "SOPClassesInStudy", "ModalitiesInStudy"):
        assert find(actor, (key, ",")) == set()


@pytest.mark.parametrize("value", ["a\x00b", "a\nb", "*a" * (MAX_WILDCARDS + 1)])
def test_values_that_harm_are_refused(value: str) -> None:
    with pytest.raises(UnreadableKeyValue, match="PatientName"):
        make_match("study", "PatientName", value)
