"""An organisation tree comes in whole or not at all, from CSV and from an mCSD Bundle, as often as one likes."""

import csv
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from fhirclient.models.bundle import Bundle
from hypothesis import given
from hypothesis import strategies as st

from access.assignments import valid_assignments
from access.epochs import read_access_epoch
from access.models import AuditEvent, CareProvider, CareUnit, Department, User
from access.organisation_import.csv_file import read_csv
from access.organisation_import.mcsd_bundle import read_bundle
from access.organisation_import.tree import InvalidTree
from tests.support.people import give_assignment

pytestmark = pytest.mark.django_db

HSA = "urn:oid:1.2.752.129.2.1.4.1"
COLUMNS = ("level", "hsa_id", "name", "parent_hsa_id")
ROWS = [
    ("department", "SE1-LUND-RTG", "Röntgen", "SE1-LUND"),
    ("provider", "SE1", "Region Mellansjö", ""),
    ("unit", "SE1-LUND", "Åstads sjukhus", "SE1"),
    ("unit", "SE1-YSTAD", "Ystads lasarett", "SE1"),
    ("department", "SE1-YSTAD-MED", 'Medicin, "öst"', "SE1-YSTAD"),
]


@pytest.fixture
def run(tmp_path):
    """Write a file, run the command on it, and return what it said."""

    def run_command(content, *arguments):
        path = tmp_path / "tree"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        out = StringIO()
        call_command("import_organisation", str(path), *arguments, stdout=out)
        return out.getvalue()

    return run_command


def write_csv(rows=ROWS, columns=COLUMNS, **options):
    text = StringIO()
    writer = csv.writer(text, **options)
    writer.writerows([columns, *rows])
    return text.getvalue()


def read_rows():
    return [
        list(CareProvider.objects.values_list("hsa_id", "name", "valid_from", "valid_to").order_by("hsa_id")),
        list(CareUnit.objects.values_list("hsa_id", "provider__hsa_id", "valid_to").order_by("hsa_id")),
        list(Department.objects.values_list("hsa_id", "unit__hsa_id", "valid_to").order_by("hsa_id")),
    ]


def test_a_tree_comes_in_whatever_the_order_of_its_rows(run):
    assert "5 created, 0 changed, 0 ended, 0 as they were" in run(write_csv())
    assert Department.objects.get(hsa_id="SE1-YSTAD-MED").name == 'Medicin, "öst"'
    assert Department.objects.get(hsa_id="SE1-LUND-RTG").unit.provider.name == "Region Mellansjö"
    assert AuditEvent.objects.get().detail == {"create": 5, "change": 0, "end": 0}
    assert read_access_epoch() == 1


def test_a_second_time_changes_nothing_and_makes_no_decision_anew(run):
    run(write_csv())
    before, epoch = read_rows(), read_access_epoch()
    assert "0 created, 0 changed, 0 ended, 5 as they were" in run(write_csv())
    assert (read_rows(), read_access_epoch()) == (before, epoch)


@pytest.mark.parametrize("form", [{"delimiter": ";"}, {"delimiter": "\t"}, {"quoting": csv.QUOTE_ALL}])
def test_the_forms_that_spreadsheets_write_are_read(run, form):
    assert "5 created" in run(b"\xef\xbb\xbf" + write_csv(**form).encode())


def test_a_dry_run_tells_and_does_nothing(run):
    printed = run(write_csv(), "--dry-run")
    assert "dry run, nothing was changed: 5 created" in printed
    assert "+ unit       SE1-LUND" in printed
    assert read_rows() == [[], [], []]
    assert not AuditEvent.objects.exists()
    run(write_csv())
    renamed = [*ROWS[:1], ("provider", "SE1", "Regionen", ""), *ROWS[2:]]
    assert "~ provider   SE1 " in run(write_csv(renamed), "--dry-run")
    assert CareProvider.objects.get().name == "Region Mellansjö"
    run(write_csv(renamed))
    assert CareProvider.objects.get().name == "Regionen"


def test_periods_are_local_days_the_last_one_included(run):
    columns = (*COLUMNS, "valid_from", "valid_to")
    run(write_csv([("provider", "SE1", "Regionen", "", "2026-01-01", "2026-06-30")], columns))
    row = CareProvider.objects.get()
    assert row.valid_from == datetime(2025, 12, 31, 23, tzinfo=UTC)
    assert row.valid_to == datetime(2026, 6, 30, 22, tzinfo=UTC)
    run(write_csv([("provider", "SE1", "Regionen", "", "", "2026-06-30T12:00:00Z")], columns))
    row.refresh_from_db()
    assert (row.valid_from, row.valid_to) == (None, datetime(2026, 6, 30, 12, tzinfo=UTC))


def test_what_is_missing_ends_only_when_asked_and_only_below_named_providers(run):
    run(write_csv())
    run(write_csv([("provider", "SE2", "Fyren AB", ""), ("unit", "SE2-A", "Fyren", "SE2")]))
    user = User.objects.create(username="doktor")
    give_assignment(user, Department.objects.get(hsa_id="SE1-YSTAD-MED"))
    assert len(valid_assignments(user)) == 1
    less = [row for row in ROWS if "YSTAD" not in row[1]]
    assert "0 ended" in run(write_csv(less))
    printed = run(write_csv(less), "--end-missing")
    assert "- unit       SE1-YSTAD" in printed
    assert "2 ended" in printed
    assert valid_assignments(user) == []
    assert CareUnit.objects.get(hsa_id="SE2-A").valid_to is None
    before = read_rows()
    assert "0 ended" in run(write_csv(less), "--end-missing")
    assert read_rows() == before
    assert "2 changed" in run(write_csv())
    assert len(valid_assignments(user)) == 1


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([("region", "SE1", "R", "")], "line 2: unknown level 'region': one of provider, unit, department"),
        ([("provider", "", "R", "")], "line 2: the HSA-id is missing"),
        ([("provider", "SE 1", "R", "")], "line 2: 'SE 1' is no HSA-id"),
        ([("provider", "SE1", "", "")], "line 2: the name is missing"),
        ([("provider", "SE1", "R" * 201, "")], "line 2: the name is longer than 200"),
        ([("provider", "SE1", "R\0", "")], "line 2: the name holds control characters"),
        ([("provider", "SE1", "R", "SE2")], "line 2: a provider stands at the top"),
        ([("unit", "SE1-A", "A", "")], "line 2: a unit needs the HSA-id of its provider"),
        ([("unit", "SE1-A", "A", "SE1")], "line 2: the provider SE1 is neither in the file nor here"),
        ([("provider", "SE1", "R", ""), ("provider", "SE1", "S", "")], "line 3: HSA-id SE1 stands at line 2"),
        (
            [("provider", "SE1", "R", ""), ("department", "SE1-A-D", "D", "SE1")],
            "line 3: SE1 is a provider; a department needs a unit",
        ),
        ([("provider", "SE1", "R")], "line 2: 3 values under 4 columns"),
        ([("provider", "SE1", "R", ""), ("unit", "SE1-A", "A", "SE1", "x")], "line 3: 5 values"),
    ],
)
def test_a_fault_is_named_with_its_line_and_nothing_comes_in(run, rows, fault):
    with pytest.raises(CommandError) as refused:
        run(write_csv(rows))
    assert fault in str(refused.value)
    assert refused.value.returncode == 1
    assert read_rows() == [[], [], []]
    assert read_access_epoch() == 0


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "line 1: the column level, hsa_id, name, parent_hsa_id is missing"),
        (write_csv([]), "the file holds no rows"),
        (
            write_csv(columns=("level", "hsa_id", "name", "parent")),
            "line 1: the column parent_hsa_id is missing",
        ),
        (write_csv([], (*COLUMNS, "name")), "line 1: a column stands there twice"),
        (write_csv([], (*COLUMNS, "fax")), "line 1: unknown column 'fax'"),
        (write_csv() + 'provider,SE2,"Fyren', "line 7: not CSV"),
        (write_csv().encode("latin-1"), "line 2: not UTF-8"),
        (
            write_csv([("provider", "SE1", "R", "", "2026-02-30")], (*COLUMNS, "valid_from")),
            "line 2: '2026-02-30' is no date",
        ),
        (
            write_csv([("provider", "SE1", "R", "", "9999-12-31")], (*COLUMNS, "valid_to")),
            "line 2: '9999-12-31' is no date",
        ),
    ],
)
def test_a_file_that_is_none_is_refused_in_words(run, content, fault):
    with pytest.raises(CommandError) as refused:
        run(content)
    assert fault in str(refused.value)


def test_all_faults_are_told_at_once():
    rows = [("provider", "", "R", ""), ("unit", "SE1-A", "", "SE1"), ("ward", "SE1-B", "B", "SE1")]
    with pytest.raises(InvalidTree) as refused:
        read_csv(write_csv(rows).encode())
    assert {fault.split(":")[0] for fault in refused.value.faults} == {"line 2", "line 3", "line 4"}


def test_what_stands_elsewhere_is_not_moved(run):
    run(write_csv())
    for row, fault in (
        (("unit", "SE1-LUND-RTG", "X", "SE1"), "is a department here, not a unit"),
        (("department", "SE1-LUND-RTG", "Röntgen", "SE1-YSTAD"), "SE1-LUND-RTG belongs to SE1-LUND here"),
    ):
        before = read_rows()
        with pytest.raises(CommandError) as refused:
            run(write_csv([("unit", "SE1-NEW", "Ny", "SE1"), row]))
        assert f"line 3: {row[1]}" in str(refused.value)
        assert fault in str(refused.value)
        assert read_rows() == before


def test_a_missing_file_is_an_unusable_argument(tmp_path):
    with pytest.raises(CommandError) as refused:
        call_command("import_organisation", str(tmp_path / "nothing"))
    assert refused.value.returncode == 2


def organisation(key, hsa_id, name, parent="", **values):
    part_of = {"partOf": {"reference": parent}} if parent else {}
    identifier = [{"system": HSA, "value": hsa_id}, {"system": "urn:oid:2.5.4.97", "value": "2120001"}]
    return {
        "resourceType": "Organization",
        "id": key,
        "identifier": identifier,
        "name": name,
        **part_of,
    } | values


def location(key, hsa_id, name, **values):
    return {
        "resourceType": "Location",
        "id": key,
        "identifier": [{"system": HSA, "value": hsa_id}] if hsa_id else [],
        "name": name,
    } | values


def make_bundle(*resources, **values):
    """Make the bytes of a Bundle by another implementation of FHIR, which checks that it is one."""
    entries = [
        {"fullUrl": f"https://directory.example/fhir/{r['resourceType']}/{r['id']}", "resource": r}
        for r in resources
    ]
    bundle = Bundle({"resourceType": "Bundle", "type": "searchset", "entry": entries} | values)
    return json.dumps(bundle.as_json()).encode()


TREE = (
    organisation("3", "SE1-A-D", "Röntgen", "Organization/2"),
    organisation("1", "SE1", "Regionen"),
    organisation("2", "SE1-A", "Sjukhuset", "https://directory.example/fhir/Organization/1"),
)


def test_a_bundle_of_organizations_becomes_the_tree(run):
    assert "3 created" in run(make_bundle(*TREE))
    row = Department.objects.get()
    assert (row.hsa_id, row.unit.hsa_id, row.unit.provider.hsa_id) == ("SE1-A-D", "SE1-A", "SE1")
    assert "3 as they were" in run(make_bundle(*TREE))
    assert "3 as they were" in run(
        write_csv(
            [
                ("provider", "SE1", "Regionen", ""),
                ("unit", "SE1-A", "Sjukhuset", "SE1"),
                ("department", "SE1-A-D", "Röntgen", "SE1-A"),
            ]
        )
    )


def test_locations_hang_below_what_manages_them_and_facilities_count_once(run):
    resources = (
        *TREE,
        location("l1", "SE1-A", "Sjukhuset", managingOrganization={"reference": "Organization/2"}),
        location("l2", "SE1-B", "Vårdcentralen", managingOrganization={"reference": "Organization/1"}),
        location("l3", "SE1-B-1", "Mottagningen", partOf={"reference": "Location/l2"}),
        location("l4", "SE1-A-E", "Labbet", partOf={"reference": "Location/l1"}),
        location("l5", "", "Rum 7", partOf={"reference": "Location/l2"}),
        {"resourceType": "Practitioner", "id": "p", "name": [{"family": "Ek"}]},
    )
    assert "6 created" in run(make_bundle(*resources))
    assert dict(Department.objects.values_list("hsa_id", "unit__hsa_id")) == {
        "SE1-A-D": "SE1-A",
        "SE1-A-E": "SE1-A",
        "SE1-B-1": "SE1-B",
    }


def test_a_reference_may_name_the_hsa_id_alone(run):
    part_of = {"identifier": {"system": "http://electronichealth.se/identifier/hsaid", "value": "SE1"}}
    assert "2 created" in run(make_bundle(TREE[1], organisation("2", "SE1-A", "Sjukhuset", partOf=part_of)))


def test_what_is_not_active_ends_once(run):
    run(make_bundle(*TREE))
    gone = (*TREE[:2], organisation("2", "SE1-A", "Sjukhuset", "Organization/1", active=False))
    assert "1 changed" in run(make_bundle(*gone))
    ended_at = CareUnit.objects.get().valid_to
    assert timezone.now() - timedelta(minutes=1) < ended_at <= timezone.now()
    assert "3 as they were" in run(make_bundle(*gone))
    assert CareUnit.objects.get().valid_to == ended_at


@pytest.mark.parametrize(
    ("resources", "fault"),
    [
        ((organisation("1", "", "Regionen"),), "entry 1 (Organization/1): the HSA-id is missing"),
        ((TREE[0], TREE[1]), "entry 1 (Organization/3): what it is part of is not in the Bundle"),
        (
            (*TREE, organisation("4", "SE1-A-D-X", "Rum", "Organization/3")),
            "entry 4 (Organization/4): 4 levels deep",
        ),
        (
            (
                organisation("1", "SE1", "A", "Organization/2"),
                organisation("2", "SE2", "B", "Organization/1"),
            ),
            "entry 1 (Organization/1): part of itself",
        ),
        ((TREE[1], organisation("2", "SE1", "Igen")), "HSA-id SE1 stands at entry 1 (Organization/1)"),
    ],
)
def test_a_fault_of_a_bundle_is_named_with_its_entry(run, resources, fault):
    with pytest.raises(CommandError) as refused:
        run(make_bundle(*resources))
    assert fault in str(refused.value)
    assert read_rows() == [[], [], []]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a FHIR Bundle"),
        (json.dumps(TREE[1]).encode(), "not a FHIR Bundle"),
        (make_bundle(link=[{"relation": "next", "url": "https://x"}]), "the Bundle has a next page"),
        (make_bundle(), "the Bundle holds no Organization"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_json_that_is_no_bundle_is_refused_in_words(run, content, fault):
    with pytest.raises(CommandError) as refused:
        run(content)
    assert fault in str(refused.value)


def test_the_documented_examples_come_in(run):
    page = (Path(__file__).parents[2] / "docs" / "organisation.md").read_text(encoding="utf-8")
    example = page.split("```csv\n")[1].split("```")[0]
    assert "created, 0 changed" in run(example)


def faults_of(read, content):
    """Return what a reader finds wrong; nothing for a tree."""
    try:
        read(content)
    except InvalidTree as error:
        return error.faults
    return None


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_break_the_readers(content):
    for read in (read_csv, read_bundle):
        faults = faults_of(read, content)
        assert faults is None or (faults and all(faults))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_resources = st.dictionaries(
    st.sampled_from(["resourceType", "id", "identifier", "name", "partOf", "active", "status"]),
    st.sampled_from(
        ["Organization", "Location", [{"system": HSA, "value": "SE1"}], {"reference": "Organization/1"}]
    )
    | _json,
)


@given(st.lists(st.fixed_dictionaries({"resource": _resources | _json}) | _json, max_size=4))
def test_no_bundle_breaks_the_reader(entries):
    faults = faults_of(read_bundle, json.dumps({"resourceType": "Bundle", "entry": entries}).encode())
    assert faults is None or (faults and all(faults))
