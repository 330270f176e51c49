"""The demo region, import and export on a real server: what comes out is what the facts say went in."""

import csv
import json
import zipfile
from collections import defaultdict
from pathlib import Path

import pytest

from deploy.importing.outcomes import Outcome, read_outcomes
from deploy.region.build import build_study
from deploy.region.facts import RegionSize
from deploy.region.plan import plan_region
from tests.deploy.commands import run_import
from tests.support.dicom import BIG_ENDIAN, DEFLATED, IMPLICIT, RLE, StudyFacts, make_ct, make_series
from tests.support.http import make_pool, search
from tests.support.processes import wait_until
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

SIZE = RegionSize(patients=8, studies=24, slices=3, size_px=32, frames=2)
ARGUMENTS = ("--patients", "8", "--studies", "24", "--slices", "3", "--size-px", "32", "--frames", "2")
ASU = "SE0000000000-ASU-01"
PREAMBLE_BYTES = 128

COUNT_ROWS = """
import json
from access.models import ApiClient, Assignment, Department
from registry.models import Conflict, Destination, Order, Patient, Report, ReportVersion, Study, Subscription
print(json.dumps([model.objects.count() for model in (
    Department, Patient, Study, Order, Report, ReportVersion, Subscription, Destination, Conflict, Assignment)]))
"""
DIGESTS = """
import json
from registry.models import ReportVersion
print(json.dumps(sorted([row.report_id, bytes(row.digest).hex()] for row in ReportVersion.objects.all())))
"""
DELIVERY_STATES = """
import json
from collections import Counter
from repository.models import Delivery
rows = Delivery.objects.exclude(destination__name__in=("Gamla arkivet", "Strokeregistret"))
rows = rows.filter(destination__held_reason="")
print(json.dumps(Counter(rows.values_list("state", flat=True))))
"""
TROUBLED = """
import json
from registry.models import Destination, WorklistItem
from repository.models import Delivery
dead = Delivery.objects.filter(destination__name="Strokeregistret", state="dead").count()
print(json.dumps([Destination.objects.get(name="Gamla arkivet").breaker, dead, WorklistItem.objects.count()]))
"""
READ_AS_EVERYBODY = """
import json
from access.agreements import readable_providers
from access.authentication import person_actor
from access.models import Assignment
from registry.visibility import visible_studies
found = {}
for row in Assignment.objects.select_related("user", "department__unit__provider"):
    actor = person_actor(row.user, row)
    agreed = readable_providers(actor.scope.provider_id).cohesive
    found[f"{row.user.username} {row.role}"] = (
        sorted(actor.permissions), visible_studies(actor).count(), len(actor.scope.process_unit_ids), len(agreed))
print(json.dumps(found))
"""
IS_A_PATIENT = """
from access.models import User
from registry.models import PatientIdentifier
numbers = PatientIdentifier.objects.filter(is_national=True).values("value")
print(*User.objects.filter(national_number__in=numbers).values_list("username", flat=True))
"""
PATIENT_OF_EACH_STUDY = """
from registry.models import Study
for study in Study.objects.select_related("person"):
    numbers = study.person.identifiers.values_list("value", flat=True)
    print(study.study_instance_uid, study.person_id, *numbers)
"""


@pytest.fixture(scope="module")
def demo(samsyn_server: SamsynServer, tmp_path_factory) -> tuple[SamsynServer, Path, str]:
    """A server with the demo region in it, the folder of the right answers, and what the command printed."""
    facts = tmp_path_factory.mktemp("facts")
    printed = samsyn_server.run_command(
        "demo", *ARGUMENTS, "--url", samsyn_server.dicomweb_url, "--facts", str(facts)
    )
    return samsyn_server, facts, printed


def test_demo_stores_what_the_right_answers_say(demo):
    server, facts, printed = demo
    token = server.issue_token("acceptance")
    found = {
        row["0020000D"]["Value"][0]: row
        for row in search(make_pool(), server.dicomweb_url, token, "studies", includefield="all")
    }
    expected = list(csv.DictReader((facts / "expected.csv").open(encoding="utf-8")))
    assert len(expected) == len(found) == 24
    for answer in expected:
        row = found[answer["study_instance_uid"]]
        assert row["00201208"]["Value"] == [int(answer["instances"])]
        assert row["00201206"]["Value"] == [int(answer["series"])]
        assert row["00080050"]["Value"] == [answer["accession_number"]]
        assert row["00081030"]["Value"] == [answer["study_description"]]
        assert sorted(row["00080061"]["Value"]) == answer["modalities"].split("\\")
    assert "24 studies" in printed


def test_all_studies_of_a_person_end_on_one_patient(demo):
    server, facts, _ = demo
    people = {}
    for line in server.run_code(PATIENT_OF_EACH_STUDY).splitlines():
        uid, person, *numbers = line.split()
        people[uid] = (person, tuple(numbers))
    by_number = defaultdict(set)
    for answer in csv.DictReader((facts / "expected.csv").open(encoding="utf-8")):
        person, numbers = people[answer["study_instance_uid"]]
        assert answer["true_personal_number"] in numbers
        by_number[answer["true_personal_number"]].add(person)
    assert all(len(found) == 1 for found in by_number.values())
    assert len(by_number) == 8


def test_demo_creates_organisation_people_orders_and_reports(demo):
    server, _, printed = demo
    region = plan_region(SIZE)
    reports = [study for study in region.studies if study.reports]
    (
        departments,
        patients,
        studies,
        orders,
        written,
        versions,
        subscriptions,
        destinations,
        conflicts,
        people,
    ) = json.loads(server.run_code(COUNT_ROWS))
    assert (departments, patients, studies) == (80, 8, 24)
    assert orders == 24 + len(region.open_orders)
    assert (written, versions) == (len(reports), sum(len(study.reports) for study in reports))
    digests = json.loads(server.run_code(DIGESTS))
    assert len({tuple(row) for row in digests}) == versions, "versions are known by what they say"
    assert all(digest for _, digest in digests)
    assert (subscriptions, destinations, conflicts, people) == (11, 11, 0, 8)
    logins = server.home / "demo-logins.txt"
    assert logins.stat().st_mode & 0o777 == 0o600
    assert logins.read_text() in printed


def test_demo_people_work_under_roles(demo):
    """What each login may do and list under each of its assignments."""
    server, _, _ = demo
    counts = json.loads(server.run_code(READ_AS_EVERYBODY))
    assert set(counts) == {
        *("radiolog Radiolog", "remittent Läkare", "ortopedi Sjuksköterska", "fyren Radiolog"),
        *("chef Verksamhetschef", "chef Radiolog", "dataskydd Dataskyddsansvarig", "admin Systemförvaltare"),
    }
    closed = {"dataskydd Dataskyddsansvarig", "admin Systemförvaltare"}
    assert {name for name, (_, listed, _, _) in counts.items() if not listed} - {"fyren Radiolog"} == closed
    assert {name for name, (_, _, process, _) in counts.items() if process} == {
        name for name in counts if not name.startswith(("remittent", "fyren"))
    }
    for name, (permissions, _, _, agreements) in counts.items():
        assert ("read" in permissions) == (name not in closed)
        assert agreements == 1
    own = {name for name, (permissions, *_) in counts.items() if "review_access" in permissions}
    assert own == {"chef Verksamhetschef", "dataskydd Dataskyddsansvarig"}
    assert server.run_code(IS_A_PATIENT).split() == ["chef"]


def test_demo_twice_adds_nothing(demo):
    server, _, _ = demo
    before = server.run_code(COUNT_ROWS)
    printed = server.run_command("demo", *ARGUMENTS, "--url", server.dicomweb_url)
    assert server.run_code(COUNT_ROWS) == before
    assert "were there already" in printed


def test_export_gives_the_files_back_as_they_were_sent(demo, tmp_path):
    server, _, _ = demo
    region = plan_region(SIZE)
    patient = region.studies[0].patient
    studies = [study for study in region.studies if study.patient == patient]
    number = f"{patient.personal_number[:8]}-{patient.personal_number[8:]}"
    server.run_command("export_dicom", "--patient", number, "--out", str(tmp_path))
    written = sorted(path.read_bytes()[PREAMBLE_BYTES:] for path in tmp_path.rglob("*.dcm"))
    sent = sorted(file[PREAMBLE_BYTES:] for study in studies for file in build_study(region, study))
    assert written == sent
    assert {path.name for path in tmp_path.iterdir()} == {study.study_instance_uid for study in studies}


def test_demo_starts_a_server_of_its_own_and_is_delivered_at_the_next_start(start_embedded):
    server = start_embedded(SAMSYN_QUIET_S="0.5")
    server.stop()
    server.run_command("demo", *ARGUMENTS, "--url", server.dicomweb_url)
    assert json.loads(server.run_code(COUNT_ROWS))[2] == 24
    server.start()
    wait_until(
        server.process, lambda: is_settled(json.loads(server.run_code(DELIVERY_STATES))), "the deliveries"
    )
    wait_until(server.process, lambda: is_lively(json.loads(server.run_code(TROUBLED))), "the board")


def is_lively(found: list) -> bool:
    """Say whether the board has an open breaker, failed deliveries, and a worklist with something on it."""
    breaker, dead, listed = found
    return bool(breaker == "open" and dead > 0 and listed > 0)


def is_settled(states: dict[str, int]) -> bool:
    """Say whether everything was delivered, but for what its receiver may not see."""
    assert states.keys() <= {"ready", "leased", "sending", "verifying", "delivered", "awaiting_basis"}
    return states.get("delivered", 0) >= 5 and states.keys() <= {"delivered", "awaiting_basis"}


@pytest.fixture
def mixed_folder(tmp_path):
    """Good instances in all syntaxes that we write, in folders and a zip, beside things that are none."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    study = StudyFacts()
    for name, syntax in (("implicit", IMPLICIT), ("big", BIG_ENDIAN), ("deflated", DEFLATED), ("rle", RLE)):
        (folder / name).write_bytes(make_ct(study, transfer_syntax_uid=syntax, instance_number=len(name)))
    with zipfile.ZipFile(folder / "series.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, instance in enumerate(make_series(StudyFacts(), 5)):
            archive.writestr(f"disc/{number}.dcm", instance)
    (folder / "cut").write_bytes(make_ct()[:-50])
    (folder / "letter.txt").write_text("not a picture " * 50)
    return folder


def test_import_tells_what_became_of_every_file_and_goes_on_from_its_list(
    samsyn_server, demo, mixed_folder, tmp_path
):
    outcome = tmp_path / "outcome.csv"
    arguments = (str(mixed_folder), "--department", ASU, "--outcome", str(outcome))
    first = run_import(samsyn_server, *arguments)
    assert first.returncode == 1, first.stderr
    entries = {entry.path.removeprefix(str(mixed_folder)): entry for entry in read_outcomes(outcome)}
    assert len(entries) == 11
    refused = {path for path, entry in entries.items() if entry.outcome is Outcome.REFUSED}
    assert refused == {"/cut", "/letter.txt"}
    assert all(entries[path].reason for path in refused)
    assert {entry.outcome for path, entry in entries.items() if path not in refused} == {Outcome.STORED}
    (mixed_folder / "letter.txt").unlink()
    (mixed_folder / "cut").write_bytes(make_ct())
    second = run_import(samsyn_server, *arguments)
    assert second.returncode == 0, second.stderr
    assert "1 stored, 0 duplicate, 0 differs, 0 refused" in second.stderr
    assert len(read_outcomes(outcome)) == 10


def test_import_again_without_a_list_finds_duplicates(samsyn_server, demo, tmp_path):
    (tmp_path / "one").write_bytes(make_ct())
    token = samsyn_server.issue_token("import", department=ASU, scopes=("store",))
    results = [run_import(samsyn_server, str(tmp_path), SAMSYN_TOKEN=token) for _ in range(2)]
    assert [result.returncode for result in results] == [0, 0]
    rows = [list(csv.reader(result.stdout.splitlines())) for result in results]
    assert [row[1][1] for row in rows] == ["stored", "duplicate"]


def test_import_with_a_wrong_token_says_so(samsyn_server, tmp_path):
    (tmp_path / "one").write_bytes(make_ct())
    result = run_import(samsyn_server, str(tmp_path), "--token", "samsyn_wrong")
    assert result.returncode == 1
    assert "unknown, expired or revoked" in result.stderr
