"""Coercion while storing: what is changed is said, what was there stays beside, and the same sent again is the same."""

import json
from io import BytesIO, StringIO
from typing import Any

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.models import AuditEvent, Department
from registry.models import CoercionRule, Conflict, Instance, IssuerRule, Series, Study
from repository.compaction.compact import compact_study
from repository.rebuild.rebuild import rebuild
from repository.scrub import scrub
from repository.store_commit import commit_packs
from tests.repository.conftest import make_vendor, outcome
from tests.repository.test_commitment import ask, flat, reference
from tests.repository.test_rebuild import lose_database
from tests.support import dicom

pytestmark = pytest.mark.django_db

OID = "1.2.752.129.2.1.3.1"
WARNING, REASON, COMMENT, ORIGINAL = "00081196", "00081197", "00000902", "04000561"
COERCED = 0xB000


@pytest.fixture(autouse=True)
def is_on(settings):
    settings.COERCE_ON_STORE = True


@pytest.fixture
def rules(department):
    """The department says its hospital's name, and the issuer where the sender does not."""
    CoercionRule.objects.create(department=department, keyword="IssuerOfPatientID")
    CoercionRule.objects.create(
        department=department, keyword="InstitutionName", value="Östra sjukhuset", replaces=True
    )


def make_file(**values) -> bytes:
    """Make an instance that names no issuer."""
    return dicom.make_ct(dicom.StudyFacts(issuer_oid=None), **values)


def fetch(vendor, item) -> bytes:
    path = item["00081190"]["Value"][0].removeprefix("http://testserver/dicom-web")
    return bytes(vendor.get(path, "application/dicom; transfer-syntax=*").getvalue())


def read(file: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(BytesIO(file))


SIZES = pytest.mark.parametrize("size", [64, 1100], ids=["small", "streamed"])
SYNTAXES = pytest.mark.parametrize("syntax", [dicom.EXPLICIT, dicom.IMPLICIT])


@SIZES
@SYNTAXES
def test_what_is_coerced_is_said_and_the_former_values_stay(vendor, rules, size, syntax):
    file = make_file(rows=size, columns=size, transfer_syntax_uid=syntax)
    response = vendor.store(file)
    assert response.status_code == 202
    [item] = outcome(response)["referenced"]
    assert item[WARNING]["Value"] == [COERCED]
    assert item[COMMENT]["Value"][0].startswith("coerced: InstitutionName, IssuerOfPatientID")
    [told] = item[ORIGINAL]["Value"]
    assert told["04000563"]["Value"] == ["SAMSYN"]
    stored, sent = read(fetch(vendor, item)), read(file)
    assert (stored.InstitutionName, stored.IssuerOfPatientID) == ("Östra sjukhuset", OID)
    assert stored.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == OID
    [original] = stored.OriginalAttributesSequence
    assert original.SourceOfPreviousValues == vendor.department.hsa_id
    former = original.ModifiedAttributesSequence[0]
    assert former.get("InstitutionName", "") == sent.get("InstitutionName", "")
    assert "IssuerOfPatientID" in former
    assert stored.PixelData == sent.PixelData
    assert Study.objects.get().issuer_of_patient_id == OID
    assert Series.objects.get().institution_name == "Östra sjukhuset"
    assert AuditEvent.objects.get(action="store").detail == {"instances": {"stored": 1}, "coerced": 1}


@SIZES
def test_the_same_sent_again_is_the_same_instance(vendor, rules, objects_root, size):
    file = make_file(rows=size, columns=size)
    first = vendor.store(file)
    for _ in range(2):
        again = vendor.store(file)
        assert again.status_code == 202
        assert outcome(again)["referenced"][0][ORIGINAL] == outcome(first)["referenced"][0][ORIGINAL]
    stored = fetch(vendor, outcome(first)["referenced"][0])
    assert vendor.store(stored).status_code == 200, "what was fetched is what is stored"
    CoercionRule.objects.all().delete()
    assert vendor.store(file).status_code == 202, "also when nothing would be coerced any more"
    assert Instance.objects.count() == len(list(objects_root.rglob("*.pack"))) == 1
    assert not Conflict.objects.exists()


def test_the_same_twice_in_a_request(vendor, rules):
    file = make_file()
    response = vendor.store(file, file)
    assert response.status_code == 202
    assert (len(outcome(response)["referenced"]), Instance.objects.count()) == (2, 1)


def test_other_bytes_are_a_conflict_as_ever(vendor, rules):
    study = dicom.StudyFacts(issuer_oid=None)
    uids: dict[str, Any] = {"sop_instance_uid": dicom.make_uid(), "series_instance_uid": dicom.make_uid()}
    vendor.store(dicom.make_ct(study, seed=1, **uids))
    response = vendor.store(dicom.make_ct(study, seed=2, **uids))
    assert (response.status_code, outcome(response)["failed"][0][REASON]["Value"]) == (409, [0x0111])
    assert Conflict.objects.get().kind == "other_bytes"


def test_what_says_the_right_thing_is_not_touched(vendor, rules):
    change = pydicom.Dataset()
    change.InstitutionName = "Östra sjukhuset"
    file = dicom.make_ct(dicom.StudyFacts(issuer_oid=OID), change=change)
    response = vendor.store(file)
    assert response.status_code == 200
    assert fetch(vendor, outcome(response)["referenced"][0])[128:] == file[128:]


def test_a_value_that_is_there_is_replaced_only_where_the_rule_says_so(vendor, rules):
    CoercionRule.objects.filter(keyword="InstitutionName").update(replaces=False)
    change = pydicom.Dataset()
    change.InstitutionName = "Some hospital"
    file = make_file(change=change)
    stored = read(fetch(vendor, outcome(vendor.store(file))["referenced"][0]))
    assert stored.InstitutionName == "Some hospital"
    assert stored.IssuerOfPatientID == OID


def test_an_issuer_known_to_be_wrong_is_replaced_by_that_of_the_issuer_rules(vendor, rules, department):
    CoercionRule.objects.filter(keyword="IssuerOfPatientID").update(replaces=True)
    IssuerRule.objects.create(department=department, position=1, kind="ignore", pattern=r"9\.9\..*")
    IssuerRule.objects.create(department=department, position=2, kind="national")
    response = vendor.store(dicom.make_ct(dicom.StudyFacts(issuer_oid="9.9.9")))
    stored = read(fetch(vendor, outcome(response)["referenced"][0]))
    assert stored.IssuerOfPatientID == OID
    [former] = stored.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert former.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == "9.9.9"


@pytest.mark.parametrize("syntax", [dicom.BIG_ENDIAN, dicom.DEFLATED])
def test_what_cannot_be_coerced_is_stored_as_sent_with_a_remark(vendor, rules, syntax):
    response = vendor.store(make_file(transfer_syntax_uid=syntax))
    assert response.status_code == 200
    [item] = outcome(response)["referenced"]
    assert "stayed as sent" in json.dumps(item)
    assert WARNING not in item


def test_a_whole_series_is_one_patient_and_one_pack(vendor, rules, objects_root):
    files = dicom.make_series(dicom.StudyFacts(issuer_oid=None), 5)
    assert vendor.store(*files).status_code == 202
    assert Instance.objects.count() == 5
    assert not Conflict.objects.exists()
    assert len(list(objects_root.rglob("*.pack"))) == 1
    assert vendor.store(*files).status_code == 202
    assert Instance.objects.count() == 5


def test_a_racing_store_of_the_same_is_told_to_come_again_and_is_then_the_same(vendor, rules, monkeypatch):
    file = make_file()

    def commit_behind(*arguments):
        monkeypatch.undo()
        assert vendor.store(file).status_code == 202
        return commit_packs(*arguments)

    monkeypatch.setattr("repository.store.commit_packs", commit_behind)
    response = vendor.store(file)
    assert (response.status_code, int(response["Retry-After"]) > 0) == (503, True)
    again = vendor.store(file)
    assert (again.status_code, Instance.objects.count()) == (202, 1)
    assert not Conflict.objects.exists()


def test_others_are_left_alone_and_asked_nothing(vendor, rules, settings):
    other = make_vendor(None, "tool")
    assert other.store(make_file()).status_code == 200
    settings.COERCE_ON_STORE = False
    with CaptureQueriesContext(connection) as seen:
        assert vendor.store(make_file()).status_code == 200
    assert not [query for query in seen.captured_queries if "coercionrule" in query["sql"]]


@pytest.mark.django_db(transaction=True)
def test_dicomweb_client_sees_what_was_coerced(live_server, vendor, rules):
    session = requests.Session()
    session.headers.update(vendor.headers)
    client = DICOMwebClient(f"{live_server.url}/dicom-web", session=session)
    sent = read(make_file())
    answer = client.store_instances([sent]).ReferencedSOPSequence[0]
    assert answer.WarningReason == COERCED
    assert "InstitutionName" in answer.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    uids = sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID
    stored = client.retrieve_instance(*uids)
    metadata = pydicom.Dataset.from_json(client.retrieve_instance_metadata(*uids))
    assert stored.InstitutionName == metadata.InstitutionName == "Östra sjukhuset"
    assert stored.OriginalAttributesSequence == metadata.OriginalAttributesSequence
    [found] = client.search_for_studies(search_filters={"IssuerOfPatientID": OID})
    assert found["0020000D"]["Value"] == [sent.StudyInstanceUID]


def test_upkeep_commitment_and_rebuild_know_nothing_of_it(vendor, rules):
    """What is stored is an instance like any other: moved, verified, promised, and back after a loss."""
    study, series_uid = dicom.StudyFacts(issuer_oid=None), dicom.make_uid()
    files = [dicom.make_ct(study, series_instance_uid=series_uid, instance_number=n) for n in range(6)]
    items = [outcome(vendor.store(file))["referenced"][0] for file in files]
    stored = [fetch(vendor, item) for item in items]
    assert compact_study(Study.objects.get().pk).instances == 6
    assert [fetch(vendor, item) for item in items] == stored
    assert scrub().damaged == ()
    committed = json.loads(ask(vendor, flat(*map(reference, files))).content)
    assert (len(committed["00081199"]["Value"]), "00081198" in committed) == (6, False)
    CoercionRule.objects.all().delete()
    lose_database()
    report = rebuild()
    assert (report.instances, report.faults) == (6, [])
    again = make_vendor(Department.objects.get(), "pacs-new")
    for file in files:
        [item] = outcome(again.store(file))["referenced"]
        assert item[WARNING]["Value"] == [COERCED]
    assert Instance.objects.count() == 6
    assert not Conflict.objects.filter(kind="other_bytes").exists()


def run(*arguments: str) -> list[str]:
    output = StringIO()
    call_command("coerce", *arguments, stdout=output)
    return output.getvalue().splitlines()


def test_rules_are_set_listed_and_ended_by_a_command(department, settings):
    hsa_id = department.hsa_id
    assert run(hsa_id) == []
    run(hsa_id, "--set", "IssuerOfPatientID")
    lines = run(hsa_id, "--set", "InstitutionName=Östra sjukhuset", "--replace")
    assert lines == [
        "InstitutionName 'Östra sjukhuset', replacing others",
        "IssuerOfPatientID by the issuer rules",
    ]
    settings.COERCE_ON_STORE = False
    assert "SAMSYN_COERCE_ON_STORE" in run(hsa_id, "--stop", "IssuerOfPatientID")[-1]
    assert CoercionRule.objects.get().keyword == "InstitutionName"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "PatientName=X"],
        ["--set", "InstitutionName"],
        ["--set", "IssuerOfPatientID=1.2"],
        ["--set", "InstitutionName=a\\b"],
        ["--set", f"InstitutionName={'x' * 65}"],
        ["--replace"],
    ],
)
def test_a_rule_that_cannot_be_is_refused(department, arguments):
    with pytest.raises(CommandError):
        run(department.hsa_id, *arguments)
    assert not CoercionRule.objects.exists()
