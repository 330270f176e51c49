"""Search: resources, keys, matching, paging, attributes and forms of the answer.

Standard: PS3.18 8.3.4, 10.6, PS3.4 C.2.2.2
"""

from urllib.parse import quote

import pytest

from tests.conformance.archive import DICOM_JSON
from tests.conformance.searching import ALL, CT, DOCUMENTS, ENCODINGS, find, resources, search
from tests.conformance.wire import value_of, values_of

pytestmark = pytest.mark.server

STUDY_DEFAULTS = [
    "00080020",
    "00080030",
    "00080050",
    "00080056",
    "00080061",
    "00080090",
    "00081190",
    "00100010",
    "00100020",
    "00100030",
    "00100040",
    "0020000D",
    "00200010",
    "00201206",
    "00201208",
]
SERIES_DEFAULTS = ["00080060", "0008103E", "00081190", "0020000E", "00200011", "00201209"]
INSTANCE_DEFAULTS = [
    "00080016",
    "00080018",
    "00080056",
    "00081190",
    "00200013",
    "00280010",
    "00280011",
    "00280100",
]


@pytest.mark.parametrize("index", range(6))
def test_each_of_the_six_resources_answers_with_a_json_array(archive, index):
    """PS3.18 10.6.1.1, table 10.6.1-1."""
    target, key = list(resources(archive).items())[index]
    answer = search(archive, target)
    assert answer.status == 200, answer.describe()
    assert answer.media_type == DICOM_JSON
    rows = answer.json()
    assert rows
    assert all(value_of(row, key) for row in rows)
    assert len({value_of(row, key) for row in rows}) == len(rows)


@pytest.mark.parametrize("tag", STUDY_DEFAULTS)
def test_a_study_has_the_attributes_of_the_table(archive, tag):
    """PS3.18 table 10.6.3-3: all of them are in the answer, empty where there is no value."""
    [row] = find(archive, f"/studies?StudyInstanceUID={archive['ct1'].dataset.StudyInstanceUID}")
    assert tag in row


@pytest.mark.parametrize("tag", [*SERIES_DEFAULTS, "00400275"])
def test_a_series_has_the_attributes_of_the_table(archive, tag):
    """PS3.18 table 10.6.3-4."""
    rows = find(archive, f"{archive['ct1'].study_path}/series?Modality=CT")
    assert all(tag in row for row in rows)


@pytest.mark.parametrize("tag", INSTANCE_DEFAULTS)
def test_an_instance_has_the_attributes_of_the_table(archive, tag):
    """PS3.18 table 10.6.3-5."""
    rows = find(archive, f"{archive['ct1'].series_path}/instances")
    assert all(tag in row for row in rows)


@pytest.mark.parametrize("tag", ["0020000D", "00080020", "00100010", "00100020"])
def test_series_of_all_studies_carry_their_study(archive, tag):
    """PS3.18 10.6.3.3.2: where no study is in the path, its attributes come with the series."""
    rows = find(archive, "/series")
    assert all(tag in row for row in rows)


@pytest.mark.parametrize("tag", ["0020000D", "0020000E", "00080060", "00100010"])
def test_instances_of_all_studies_carry_study_and_series(archive, tag):
    """PS3.18 10.6.3.3.3."""
    rows = find(archive, "/instances")
    assert all(tag in row for row in rows)


def test_counts_and_modalities_are_right(archive):
    [row] = find(archive, f"/studies?StudyInstanceUID={archive['ct1'].dataset.StudyInstanceUID}")
    assert value_of(row, "00201206") == 2
    assert value_of(row, "00201208") == 4
    assert set(values_of(row, "00080061")) == {"CT", "PT"}
    series = find(archive, f"{archive['ct1'].study_path}/series")
    assert sorted(value_of(row, "00201209") for row in series) == [1, 3]


def test_names_are_utf_8_person_names(archive):
    """PS3.18 F.2.2, F.2.3."""
    [row] = find(archive, f"/studies?StudyInstanceUID={archive['ct1'].dataset.StudyInstanceUID}")
    assert row["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Åkesson^Östen^^Dr"}]}
    assert values_of(row, "00080005") in ([], ["ISO_IR 192"])


def test_no_element_has_an_empty_value_list_or_null_alone(archive):
    """PS3.18 F.2.5: an empty element is there without Value."""
    for target in resources(archive):
        for row in find(archive, target):
            for tag, element in row.items():
                assert len(element["vr"]) == 2, tag
                assert element.get("Value", [1]) not in ([], [None]), (tag, element)


def test_tags_are_eight_upper_case_digits_in_order(archive):
    """PS3.18 F.2.2."""
    for row in find(archive, "/instances"):
        assert all(len(tag) == 8 and tag == tag.upper() for tag in row)
        assert list(row) == sorted(row)


STUDY_QUERIES = [
    # what is asked, which studies answer
    ("PatientID=191212121212", {CT, DOCUMENTS}),
    ("00100020=197001012388", {ENCODINGS}),
    ("00100020=1970*", {ENCODINGS}),
    ("PatientID=19700101238%3F", {ENCODINGS}),
    ("PatientID=197001012388 ", {ENCODINGS}),
    ("PatientID=%31970*", {ENCODINGS}),
    ("PatientID=", ALL),
    ("PatientID=*", ALL),
    ("PatientID=nobody", set()),
    ("PatientName=svensson*", {ENCODINGS}),
    ("PatientName=SVENSSON%5EKARIN", {ENCODINGS}),
    ("PatientName=Svensson^Karin", {ENCODINGS}),
    ("PatientName=*karin*", {ENCODINGS}),
    ("PatientName=%C3%85kesson*", {CT, DOCUMENTS}),
    ("PatientName=%c3%a5kesson*", {CT, DOCUMENTS}),
    ("PatientName=*%C3%96sten*", {CT, DOCUMENTS}),
    ("%50atientName=Svensson*", {ENCODINGS}),
    ("StudyDate=20260302", {CT}),
    ("StudyDate=20260301-20260302", {CT}),
    ("StudyDate=20260302-20260303", {CT, DOCUMENTS}),
    ("StudyDate=20260303-", {DOCUMENTS}),
    ("StudyDate=-20251231", {ENCODINGS}),
    ("StudyDate=-20260302", {CT, ENCODINGS}),
    ("StudyDate=20270101-", set()),
    ("StudyDate=20250115&StudyTime=0800-0801", {ENCODINGS}),
    ("StudyTime=080000", {ENCODINGS}),
    ("StudyTime=070000-090000", {ENCODINGS}),
    ("StudyTime=-0900", {ENCODINGS}),
    ("AccessionNumber=B-2", {ENCODINGS}),
    ("AccessionNumber=ACC%2F1%202", {CT}),
    ("AccessionNumber=ACC%2F1+2", {CT}),
    ("AccessionNumber=b-2", set()),
    ("StudyDescription=*hj%C3%A4rna", {ENCODINGS}),
    ("ModalitiesInStudy=PT", {CT}),
    ("ModalitiesInStudy=SR", {DOCUMENTS}),
    ("ModalitiesInStudy=MR", {ENCODINGS}),
    ("ModalitiesInStudy=US", set()),
    ("00080061=CT", {CT}),
    ("StudyID=1", ALL),
    ("ReferringPhysicianName=remittent*", ALL),
    ("PatientBirthDate=19121212", ALL),
    ("PatientSex=F", {ENCODINGS}),
    ("PatientSex=F&PatientID=191212121212", set()),
    ("fuzzymatching=false&PatientName=svensson*", {ENCODINGS}),
]


@pytest.mark.parametrize(("query", "expected"), STUDY_QUERIES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_search_for_studies_matches(archive, query, expected):
    """PS3.4 C.2.2.2, PS3.18 8.3.4.1."""
    rows = find(archive, "/studies?" + query.replace(" ", "%20"))
    studies = {archive[name].dataset.StudyInstanceUID: name for name in ALL}
    found = {studies[value_of(row, "0020000D")] for row in rows}
    assert found == expected


@pytest.mark.parametrize("separator", ["%2C", ",", "%5C"])
def test_a_list_of_uids_matches_each(archive, separator):
    """PS3.18 8.3.4.1: a comma separates; the backslash is what DIMSE and OHIF use."""
    uids = [archive[name].dataset.StudyInstanceUID for name in (CT, ENCODINGS)]
    rows = find(archive, f"/studies?StudyInstanceUID={separator.join(uids)}")
    assert {value_of(row, "0020000D") for row in rows} == set(uids)


SERIES_QUERIES = [
    ("Modality=PT", 1),
    ("Modality=CT", 1),
    ("00080060=C*", 1),
    ("SeriesNumber=2", 1),
    ("SeriesDescription=Axi*", 1),
    ("RequestAttributesSequence.ScheduledProcedureStepID=SPS1", 1),
    ("00400275.00400009=SPS1", 1),
    ("00400275.00401001=RP1", 1),
    ("RequestAttributesSequence.RequestedProcedureID=other", 0),
    ("00400275.00400009=other", 0),
    ("00400275.ScheduledProcedureStepID=SPS*", 1),
    ("Modality=MR", 0),
]


@pytest.mark.parametrize(("query", "count"), SERIES_QUERIES)
def test_a_search_for_series_of_a_study_matches(archive, query, count):
    """PS3.18 10.6.1.2.1, sequence keys with dots 8.3.4.1."""
    assert len(find(archive, f"{archive[CT].study_path}/series?{query}")) == count


INSTANCE_QUERIES = [
    ("InstanceNumber=2", 1),
    ("00200013=2", 1),
    ("SOPClassUID=1.2.840.10008.5.1.4.1.1.2", 3),
    ("00080016=1.2.840.10008.5.1.4.1.1.4", 0),
    ("InstanceNumber=99", 0),
]


@pytest.mark.parametrize(("query", "count"), INSTANCE_QUERIES)
def test_a_search_for_instances_of_a_series_matches(archive, query, count):
    assert len(find(archive, f"{archive[CT].series_path}/instances?{query}")) == count


@pytest.mark.parametrize("resource", ["/series", "/instances"])
def test_keys_of_the_study_filter_below_it(archive, resource):
    """PS3.18 table 10.6.1-5: relational keys of the levels above."""
    rows = find(archive, f"{resource}?PatientID=197001012388")
    assert {value_of(row, "0020000D") for row in rows} == {archive[ENCODINGS].dataset.StudyInstanceUID}
    assert find(archive, f"{resource}?PatientName=nobody") == []


def test_keys_of_the_series_filter_instances(archive):
    rows = find(archive, "/instances?Modality=PT")
    assert [value_of(row, "00080018") for row in rows] == [archive["pt"].sop_instance_uid]


@pytest.mark.parametrize(
    "target", ["/studies?PatientID=nobody", "/series?PatientID=nobody", "/instances?PatientID=nobody"]
)
def test_no_match_is_an_empty_array(archive, target):
    """PS3.18 table 10.6.3-1 of 2026a: 200 with an empty list."""
    answer = search(archive, target)
    assert (answer.status, answer.json()) == (200, []), answer.describe()


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=abc", "limit=1.5", "limit=", "offset=-1", "offset=x", "limit=1&limit=2"]
)
def test_a_limit_or_offset_that_is_no_unsigned_integer_is_refused(archive, query):
    """PS3.18 8.3.4.4."""
    answer = search(archive, f"/studies?{query}")
    assert answer.status == 400, answer.describe()


@pytest.mark.parametrize(
    "query",
    [
        "StudyDate=2026-03-02",
        "StudyDate=yesterday",
        "StudyDate=20261340",
        "StudyTime=2500",
        "fuzzymatching=perhaps",
    ],
)
def test_a_value_that_is_none_of_its_vr_is_refused(archive, query):
    """PS3.18 10.6.3.1: 400 for errors in the parameters; never an unfiltered list."""
    answer = search(archive, f"/studies?{query}")
    assert answer.status == 400, answer.describe()


@pytest.mark.parametrize("query", ["PatientName=%FF", "PatientName=%C3", "PatientName=%ED%A0%80"])
def test_broken_utf_8_is_refused(archive, query):
    """PS3.18 8.3.1, RFC 3986 2.5."""
    answer = search(archive, f"/studies?{query}")
    assert answer.status == 400, answer.describe()


@pytest.mark.parametrize(
    "key",
    [
        "Nonsense",
        "00990099",
        "PatientsName",
        "00400275.Nonsense",
        "99999999",
        "0010001",
        "ReferencedStudySequence.StudyInstanceUID",
    ],
)
def test_an_unknown_key_is_refused_or_announced(archive, key):
    """PS3.18 10.6.1.2, 8.3.4: a filter that is not applied may not pass in silence."""
    answer = search(archive, f"/studies?{key}=x")
    assert answer.status == 400 or (answer.status == 200 and "299" in answer.headers.get("warning", "")), (
        answer.describe()
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [("akesson*", {CT, DOCUMENTS}), ("osten", {CT, DOCUMENTS}), ("karin svensson", {ENCODINGS})],
)
def test_fuzzy_matching_folds_accents_and_order_or_says_that_it_does_not(archive, name, expected):
    """PS3.18 8.3.4.2."""
    answer = search(archive, f"/studies?fuzzymatching=true&PatientName={quote(name)}")
    assert answer.status == 200, answer.describe()
    studies = {archive[name].dataset.StudyInstanceUID: name for name in ALL}
    found = {studies[value_of(row, "0020000D")] for row in answer.json()}
    assert found == expected or "299" in answer.headers.get("warning", "")


def test_without_fuzzy_matching_accents_count(archive):
    assert find(archive, "/studies?PatientName=akesson*") == []


@pytest.mark.parametrize(
    "query", ["emptyvaluematching=true&AccessionNumber=%22%22", "emptyvaluematching=true&00080050=%22%22"]
)
def test_empty_value_matching_finds_those_without_a_value(archive, query):
    """PS3.18 8.3.4.5: two double quotes match an empty value only."""
    answer = search(archive, f"/studies?{query}")
    assert answer.status == 200, answer.describe()
    assert answer.json() == [] or "299" in answer.headers.get("warning", "")


def test_multiple_value_matching_takes_a_list(archive):
    """PS3.18 8.3.4.6."""
    answer = search(archive, "/studies?multiplevaluematching=true&AccessionNumber=B-2%5CC3")
    assert answer.status == 200, answer.describe()
    studies = {value_of(row, "0020000D") for row in answer.json()}
    wanted = {archive[name].dataset.StudyInstanceUID for name in (ENCODINGS, DOCUMENTS)}
    assert studies == wanted or "299" in answer.headers.get("warning", "")


@pytest.mark.parametrize(
    "target", ["/studies/1.2.3/series", "/studies/1.2.3/instances", "/studies/1.2.3/series/1.2.4/instances"]
)
def test_a_search_below_an_unknown_study_is_404(archive, target):
    answer = search(archive, target)
    assert answer.status == 404, answer.describe()


def test_a_series_below_another_study_is_404(archive):
    series = archive["ct1"].dataset.SeriesInstanceUID
    answer = search(archive, f"{archive['rgb'].study_path}/series/{series}/instances")
    assert answer.status == 404, answer.describe()
