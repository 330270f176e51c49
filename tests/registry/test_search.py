"""Matching, order, paging and visibility of searches, on whichever database the run has."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.models import QuerySet
from hypothesis import given, settings
from hypothesis import strategies as st

from access.actor import Actor
from access.models import CareProvider, Department
from registry.attributes import Level
from registry.matching import Rules, UnknownKey, UnreadableKeyValue, make_match
from registry.models import Series, Study
from registry.permitted import WAYS, permitted
from registry.search import (
    Paging,
    SearchPage,
    _list_children,
    _list_homes,
    _list_studies,
    search,
)
from registry.search_conditions import combine, selects_few
from registry.visibility import terms_of
from tests.registry.factories import (
    CT_IMAGE,
    make_actor,
    make_department,
    make_region_actor,
    make_series,
    make_share,
    make_study,
)

pytestmark = pytest.mark.django_db
ALL = Paging(1000)


@pytest.fixture
def department() -> Department:
    return make_department()


@pytest.fixture(params=["person", "region"])
def actor(request: pytest.FixtureRequest, department: Department) -> Actor:
    """Every matching rule holds for lists by branches and for the whole region."""
    return make_actor(department) if request.param == "person" else make_region_actor()


@contextmanager
def rolled_back() -> Iterator[None]:
    """Forget the rows of one generated example."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def read_plan(rows: QuerySet) -> str:
    """Return the plan; PostgreSQL is asked to avoid what only pays with small tables."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for method in ("seqscan", "bitmapscan", "sort", "hashagg"):
                cursor.execute(f"SET LOCAL enable_{method} = off")
    return rows.explain()


def find(
    actor: Actor,
    key: str,
    value: str,
    level: Level = "study",
    *,
    fuzzy: bool = False,
    empty: bool = False,
    every: bool = False,
) -> set[object]:
    page = search(level, [make_match(level, key, value, Rules(fuzzy, empty, every))], ALL, actor)
    return {row.pk for row in page.rows}


def test_names_match_without_case_but_with_accents(department: Department, actor: Actor) -> None:
    one = make_study(department, patient_name="Åkerström^Lars")
    two = make_study(department, patient_name="Akerstrom^Lars")
    assert find(actor, "PatientName", "ÅKERSTRÖM^LARS") == {one.pk}
    assert find(actor, "PatientName", "åker*") == {one.pk}
    assert find(actor, "PatientName", "*lars") == {one.pk, two.pk}
    assert find(actor, "PatientName", "?kerstr?m^*") == {one.pk, two.pk}
    assert find(actor, "PatientName", "Åkerström") == set()


def test_fuzzy_names_match_the_beginning_of_any_word(department: Department, actor: Actor) -> None:
    one = make_study(department, patient_name="Åkerström^Anna Karin")
    make_study(department, patient_name="Bakerson^Hanna")
    assert find(actor, "PatientName", "akerstrom anna", fuzzy=True) == {one.pk}
    assert find(actor, "PatientName", "kar^ÅKER", fuzzy=True) == {one.pk}
    assert find(actor, "PatientName", "*kerstr?m*", fuzzy=True) == {one.pk}
    assert find(actor, "PatientName", "strom", fuzzy=True) == set()


def test_fuzzy_names_know_letters_for_two(department: Department, actor: Actor) -> None:
    one = make_study(department, patient_name="Sæther^Bjørn")
    assert find(actor, "PatientName", "saether bjorn", fuzzy=True) == {one.pk}
    assert find(actor, "PatientName", "sæther", fuzzy=True) == {one.pk}


def test_wildcards_of_the_databases_stand_for_themselves(department: Department, actor: Actor) -> None:
    rows = {
        text: make_study(department, accession_number=text) for text in ("A%1", "A_1", "A[1]", "AB1", "a%1")
    }
    assert find(actor, "AccessionNumber", "A%*") == {rows["A%1"].pk}
    assert find(actor, "AccessionNumber", "A_?") == {rows["A_1"].pk}
    assert find(actor, "AccessionNumber", "A[1*") == {rows["A[1]"].pk}
    assert find(actor, "AccessionNumber", "A?1") == {rows[text].pk for text in ("A%1", "A_1", "AB1")}


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(
        st.text("abÅ^ %_[]*?!\\'-", max_size=6).filter(lambda t: not set(t) & set("*?\\")), max_size=6
    ),
    pattern=st.text("abå^%_[]*?!'-", min_size=1, max_size=5).filter(lambda t: set(t) & set("*?")),
)
def test_wildcards_agree_with_a_regular_expression(names: list[str], pattern: str) -> None:
    text = "".join({"*": "(?s:.*)", "?": "(?s:.)"}.get(c, re.escape(c)) for c in pattern)
    with rolled_back():
        department = make_department()
        rows = [make_study(department, patient_id=name) for name in names]
        expected = {row.pk for row, name in zip(rows, names, strict=True) if re.fullmatch(text, name)}
        assert find(make_actor(department), "PatientID", pattern) == expected


def test_universal_and_empty_keys_match_everything(department: Department, actor: Actor) -> None:
    rows = {make_study(department, accession_number="").pk, make_study(department, accession_number="A1").pk}
    for value in ("", "*", "**"):
        assert find(actor, "AccessionNumber", value) == rows
    assert len(find(actor, "AccessionNumber", '""', empty=True)) == 1
    assert find(actor, "AccessionNumber", '""') == set()


def test_national_numbers_match_however_written(department: Department, actor: Actor) -> None:
    one = make_study(department, patient_id="121212-1212", patient_id_normal="191212121212")
    make_study(department, patient_id="4711", patient_id_normal="4711")
    assert find(actor, "PatientID", "19121212-1212") == {one.pk}
    assert find(actor, "PatientID", "191212121212") == {one.pk}
    assert find(actor, "PatientID", "121212*") == {one.pk}
    assert len(find(actor, "PatientID", "4711\\191212121212")) == 2


@pytest.mark.parametrize(
    ("value", "dates"),
    [
        ("20250102", {"20250102"}),
        ("20250102-20250103", {"20250102", "20250103"}),
        ("20250103-", {"20250103", "20250104"}),
        ("-20250101", {"20250101"}),
        ("", {"", "20250101", "20250102", "20250103", "20250104"}),
        ('""', {""}),
    ],
)
def test_date_ranges(department: Department, actor: Actor, value: str, dates: set[str]) -> None:
    for date in ("", "20250101", "20250102", "20250103", "20250104"):
        make_study(department, study_date=date)
    page = search("study", [make_match("study", "StudyDate", value, Rules(empty=True))], ALL, actor)
    assert {row.study_date for row in page.rows} == dates


@pytest.mark.parametrize(
    ("value", "times"),
    [
        ("1015", {"1015", "101500", "101559.5"}),
        ("101500-101530", {"1015", "101500"}),
        ("10-11", {"1015", "101500", "101559.5", "110000"}),
        ("-1015", {"080000.000", "1015", "101500", "101559.5"}),
        ("110000.000-", {"110000"}),
        ("101559.5", {"101559.5"}),
    ],
)
def test_time_ranges_by_precision(department: Department, actor: Actor, value: str, times: set[str]) -> None:
    for time in ("", "080000.000", "1015", "101500", "101559.5", "110000"):
        make_study(department, study_time=time)
    page = search("study", [make_match("study", "StudyTime", value)], ALL, actor)
    assert {row.study_time for row in page.rows} == times


@pytest.mark.parametrize("value", ["2025", "20250101-2025", "-", "2025-01-01", "yesterday"])
def test_unreadable_date_names_the_key(department: Department, actor: Actor, value: str) -> None:
    with pytest.raises(UnreadableKeyValue, match=r"StudyDate.*YYYYMMDD"):
        search("study", [make_match("study", "StudyDate", value)], ALL, actor)


@pytest.mark.parametrize(
    "key",
    ["Favourite", "0009100A", "StudyDate.Modality", "RetrieveURL", "RequestAttributesSequence.Nonsense"],
)
def test_keys_that_cannot_be_matched_are_errors(key: str) -> None:
    with pytest.raises(UnknownKey, match=re.escape(key)):
        make_match("study", key, "x")


def test_uid_lists(department: Department, actor: Actor) -> None:
    one, two, _ = (make_study(department) for _ in range(3))
    uids = (one.study_instance_uid, two.study_instance_uid)
    assert find(actor, "StudyInstanceUID", ",".join(uids)) == {one.pk, two.pk}
    assert find(actor, "0020000d", "\\".join(uids)) == {one.pk, two.pk}
    with pytest.raises(UnreadableKeyValue, match="whole UIDs"):
        find(actor, "StudyInstanceUID", "1.2.*")


def test_modalities_in_study(department: Department, actor: Actor) -> None:
    one = make_study(department, modalities=("CT", "SR"))
    two = make_study(department, modalities=("MR",))
    assert find(actor, "ModalitiesInStudy", "SR") == {one.pk}
    assert find(actor, "ModalitiesInStudy", "SR\\MR") == {one.pk, two.pk}
    assert find(actor, "ModalitiesInStudy", "M*") == {two.pk}
    assert find(actor, "ModalitiesInStudy", "CT", level="instance") != set()


def test_keys_of_lower_levels_need_one_child_with_all(department: Department, actor: Actor) -> None:
    one = make_study(department)
    make_series(one, modality="MR", series_number=7)
    two = make_study(department, modalities=("MR",))
    uid = Series.objects.filter(study=two).get().series_instance_uid
    keys = [make_match("study", "Modality", "CT"), make_match("study", "SeriesNumber", "7")]
    assert search("study", keys, ALL, actor).rows == ()
    keys = [make_match("study", "Modality", "MR"), make_match("study", "SeriesNumber", "7")]
    assert search("study", keys, ALL, actor).rows == (one,)
    assert find(actor, "SeriesInstanceUID", uid) == {two.pk}
    assert find(actor, "SOPClassUID", CT_IMAGE) == {one.pk, two.pk}
    assert find(actor, "SOPClassesInStudy", f"1.2,{CT_IMAGE}") == {one.pk, two.pk}
    assert find(actor, "SOPClassesInStudy", "1.2") == set()


def test_keys_of_the_study_on_lower_levels(department: Department, actor: Actor) -> None:
    one = make_study(department, accession_number="A1", modalities=("CT", "SR"), instances=2)
    make_study(department, accession_number="A2")
    assert find(actor, "AccessionNumber", "A1", level="series") == set(
        one.series.values_list("pk", flat=True)
    )
    assert len(find(actor, "AccessionNumber", "A1", level="instance")) == 4


def test_keys_inside_sequences(department: Department, actor: Actor) -> None:
    item = {"00400009": {"vr": "SH", "Value": ["SPS%1"]}, "00401001": {"vr": "SH"}}
    study = make_study(department, series_values={"request_attributes_sequence": [{}, item]})
    make_study(department, series_values={"request_attributes_sequence": []})
    code = {"00080100": {"vr": "SH", "Value": ["77001"]}}
    other = make_study(department, procedure_code_sequence=[code])
    assert find(actor, "RequestAttributesSequence.ScheduledProcedureStepID", "SPS%1") == {study.pk}
    assert find(actor, "00400275.00400009", "SPS%*") == {study.pk}
    assert find(actor, "00400275.00400009", "sps*") == set()
    assert find(actor, "00400275.00401001", "X") == set()
    assert find(actor, "ProcedureCodeSequence.CodeValue", "7?001") == {other.pk}


def test_newest_first_and_series_by_number(department: Department, actor: Actor) -> None:
    dates = ["20250101", "", "20250301", "20250201", "20250301"]
    rows = [make_study(department, study_date=date, study_time=f"1{n}") for n, date in enumerate(dates)]
    page = search("study", [], ALL, actor)
    assert page.rows == (rows[4], rows[2], rows[3], rows[0], rows[1])
    make_series(rows[4], modality="CT", series_number=None)
    make_series(rows[4], modality="CT", series_number=0)
    numbers = [
        row.series_number for row in search("series", [], ALL, actor).rows if row.study_id == rows[4].pk
    ]
    assert numbers == [0, 1, None]


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@settings(max_examples=15, deadline=None)
@given(dates=st.lists(st.sampled_from(["", "20250101", "20250102"]), max_size=8), size=st.integers(1, 4))
def test_pages_joined_are_the_whole_list(level: Level, dates: list[str], size: int) -> None:
    with rolled_back():
        provider = CareProvider.objects.create(hsa_id="SE-P", name="Provider")
        here, there = make_department(provider), make_department(provider)
        for date in dates:
            make_share(make_study(there, study_date=date, modalities=("CT", "MR")), here)
        expected = len(dates) * {"study": 1, "series": 2, "instance": 2}[level]
        for actor in (make_actor(here), make_region_actor()):
            whole = search(level, [], ALL, actor)
            assert (len(whole.rows), whole.more) == (expected, False)
            offsets = range(0, expected + 1, size)
            pages = [search(level, [], Paging(size, offset), actor) for offset in offsets]
            assert tuple(row for page in pages for row in page.rows) == whole.rows
            assert [page.more for page in pages] == [offset + size < expected for offset in offsets]


@pytest.mark.parametrize("keys", [[], [("ModalitiesInStudy", "CT")], [("StudyDate", "20250101-")]])
@settings(max_examples=25, deadline=None)
@given(
    own=st.lists(st.sampled_from(["", "20250101", "20250102", "20250103"]), max_size=6),
    others=st.lists(st.sampled_from(["", "20250101", "20250102", "20250103"]), max_size=6),
    size=st.integers(1, 3),
)
def test_what_others_keep_comes_where_it_belongs_in_a_page_that_the_own_unit_fills(
    keys: list[tuple[str, str]], own: list[str], others: list[str], size: int
) -> None:
    with rolled_back(), pytest.MonkeyPatch.context() as short:
        here, there = make_department(), make_department()
        for date in own:
            make_study(here, study_date=date)
        for date in others:
            make_share(make_study(there, study_date=date), here)
        actor = make_actor(here)
        matches = [make_match("study", keyword, value, Rules()) for keyword, value in keys]
        whole = search("study", matches, ALL, actor).rows
        is_dated = any(keyword == "StudyDate" for keyword, _ in keys)
        assert len(whole) == sum(bool(date) or not is_dated for date in own + others)
        short.setattr("registry.search.LOOK_AHEAD", 1)
        pages = [search("study", matches, Paging(size, n), actor).rows for n in range(0, 13, size)]
        assert tuple(row for page in pages for row in page) == whole


@settings(max_examples=15, deadline=None)
@given(
    dates=st.lists(st.sampled_from(["", "20250101", "20250102"]), min_size=1, max_size=5),
    later=st.lists(st.sampled_from(["", "20250101", "20250103"]), max_size=4),
    size=st.integers(1, 3),
)
def test_stores_between_pages_skip_nothing_and_change_no_order(
    dates: list[str], later: list[str], size: int
) -> None:
    with rolled_back():
        department = make_department()
        first = {make_study(department, study_date=date).pk for date in dates}
        actor = make_actor(department)
        before = [row.pk for row in search("study", [], ALL, actor).rows]
        walked: list[object] = []
        offset = 0
        while (page := search("study", [], Paging(size, offset), actor)).rows:
            walked += [row.pk for row in page.rows]
            offset += size
            if later:
                make_study(department, study_date=later.pop())
        assert first <= set(walked)
        after = [row.pk for row in search("study", [], ALL, actor).rows]
        assert [pk for pk in after if pk in first] == before


def test_only_what_the_actor_may_see(department: Department) -> None:
    own = make_study(department, accession_number="A1")
    elsewhere = make_department()
    other = make_study(elsewhere, accession_number="A1", patient_name="Åkerström^Lars")
    shared = make_study(elsewhere, study_date="20240101")
    make_share(shared, department)
    actor = make_actor(department)
    assert search("study", [], ALL, actor).rows == (own, shared)
    assert find(actor, "AccessionNumber", "A1") == {own.pk}
    assert find(actor, "PatientName", "åker*") == {own.pk, shared.pk}
    assert find(actor, "StudyInstanceUID", other.study_instance_uid) == set()
    assert find(actor, "StudyInstanceUID", other.study_instance_uid, level="instance") == set()
    assert len(search("study", [], ALL, make_region_actor()).rows) == 3
    nobody = Actor(kind="person", subject="x", scope=actor.scope, permissions=frozenset())
    assert search("study", [], ALL, nobody) == SearchPage(())


def test_limit_zero_tells_whether_there_are_any(department: Department, actor: Actor) -> None:
    assert search("study", [], Paging(0), actor) == SearchPage(())
    make_study(department)
    assert search("study", [], Paging(0), actor) == SearchPage((), 1)


def test_a_page_takes_few_queries(department: Department, django_assert_num_queries: object) -> None:
    for _ in range(5):
        make_study(department)
    limits = 2 if connection.vendor == "postgresql" else 0  # the time that a statement may take, and its end
    with django_assert_num_queries(2 + limits):  # type: ignore[operator]
        search("study", [], Paging(3), make_region_actor())
    with django_assert_num_queries(3 + limits):  # type: ignore[operator]
        search("study", [], Paging(3), make_actor(department))


MAIN_SHAPES = [
    [],
    [("StudyDate", "20250101-20250131")],
    [("ModalitiesInStudy", "CT")],
    [("ModalitiesInStudy", "CT"), ("StudyDate", "20250101-")],
    [("PatientName", "*lars*")],
]
KEY_SHAPES = [
    ("PatientID", "191212121212"),
    ("AccessionNumber", "A1"),
    ("PatientName", "Åkerström^Lars"),
    ("PatientName", "Åker*"),
    ("PatientName", "Åke?str*"),
    ("StudyInstanceUID", "1.2.3"),
    ("SeriesInstanceUID", "1.2.3"),
    ("SOPInstanceUID", "1.2.3"),
]
WHOLE_TABLE = re.compile(r"SCAN registry_|SCAN U|Seq Scan on registry_")


@pytest.mark.parametrize("keys", MAIN_SHAPES)
def test_lists_are_driven_by_an_index_of_home(department: Department, keys: list[tuple[str, str]]) -> None:
    matches = [make_match("study", key, value) for key, value in keys]
    terms = terms_of(make_actor(department))
    condition = (
        combine("study", matches, home="homes__") & WAYS["unit"].drive(terms) & WAYS["unit"].condition(terms)
    )
    plan = read_plan(_list_homes(condition)[:51])
    assert re.search(r"INDEX home_|Index (Only )?Scan using home_", plan), plan
    assert not re.search(rf"{WHOLE_TABLE.pattern}|TEMP B-TREE", plan), plan


@pytest.mark.parametrize("way", WAYS)
def test_no_pattern_is_bound_in_what_lists_are_filtered_by(department: Department, way: str) -> None:
    """SQLite plans a statement with a bound pattern anew at each run: most of what a list would cost."""
    assert "LIKE" not in str(
        Study.objects.filter(WAYS[way].condition(terms_of(make_actor(department)))).query
    )


@pytest.mark.parametrize(("key", "value"), KEY_SHAPES)
def test_keys_select_first(department: Department, key: str, value: str) -> None:
    condition = permitted(terms_of(make_actor(department)))
    match = make_match("study", key, value)
    plan = read_plan(_list_studies(combine("study", [match]) & condition)[:51])
    assert selects_few(match)
    assert not WHOLE_TABLE.search(plan), plan


@pytest.mark.parametrize("keys", [[], [("ModalitiesInStudy", "CT")]])
def test_the_region_is_listed_by_date(keys: list[tuple[str, str]]) -> None:
    matches = [make_match("study", key, value) for key, value in keys]
    plan = read_plan(_list_studies(combine("study", matches))[:51])
    assert "study_newest" in plan
    assert not re.search(r"TEMP B-TREE", plan), plan


def test_children_are_those_of_the_studies_found() -> None:
    plan = read_plan(_list_children("instance", [], [1, 2, 3])[:51])
    assert not WHOLE_TABLE.search(plan), plan


@pytest.mark.parametrize("value", ["Åkerström^Lars", "Åker*", "Åke?str*"])
def test_an_index_finds_the_beginnings_of_names(value: str) -> None:
    rows = Study.objects.filter(combine("study", [make_match("study", "PatientName", value)]))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    plan = rows.order_by().explain()
    assert "study_patient_name" in plan
    assert not WHOLE_TABLE.search(plan), plan


@pytest.mark.parametrize("value", ["Å*", "*kerström", "山田*", "=山*", '""'])
def test_names_that_no_index_finds_are_left_to_the_lists(value: str) -> None:
    assert not selects_few(make_match("study", "PatientName", value, Rules(empty=True)))


def test_names_of_earlier_versions_are_folded_with_all_groups(department: Department, actor: Actor) -> None:
    one = make_study(department, patient_name="Yamada^Tarou=山田^太郎")
    Study.objects.filter(pk=one.pk).update(patient_name_folded="yamada^tarou")
    assert find(actor, "PatientName", "山田*") == set()
    import_module("registry.migrations.0005_search_indexes").fold_groups(apps, connection.schema_editor())
    assert find(actor, "PatientName", "山田*") == {one.pk}
