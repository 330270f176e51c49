"""ITI-67 and ITI-66: the documents and lists of a patient are found by every parameter, by whoever may see them."""

import pytest

from access.models import AuditEvent
from registry.identity import PERSONNUMMER_OID
from registry.models import PatientIdentifier
from tests.registry.factories import make_department, make_study
from tests.registry.fhir.document_rows import make_document, make_folder, make_submission_set, relate
from tests.registry.fhir.oracle import read_xml
from tests.support.mhd import check_comprehensive_reference, check_list, check_manifest_reference

NUMBER = "191212121212"
SYSTEM = "http://electronichealth.se/identifier/personnummer"
PATIENT = f"patient.identifier={SYSTEM}|{NUMBER}"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def study(department):
    study = make_study(department)
    PatientIdentifier.objects.create(
        patient=study.person, value=NUMBER, issuer=PERSONNUMMER_OID, is_national=True
    )
    return study


def found_in(answer):
    assert answer.status_code == 200, answer.content
    return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


def id_of(row):
    return row.entry_uuid.removeprefix("urn:uuid:")


def test_a_document_is_a_reference_that_keeps_its_profiles(ask, study):
    replaced = make_document(study, status="deprecated")
    entry = make_document(study)
    relate(entry, "RPLC", replaced)
    resource = ask(f"DocumentReference/{id_of(entry)}").json()
    check_comprehensive_reference(resource)
    check_manifest_reference(resource)
    assert resource["subject"]["identifier"] == {"system": SYSTEM, "value": NUMBER}
    assert resource["content"][0]["attachment"]["url"].endswith(f"/fhir/Binary/{id_of(entry)}")
    assert resource["relatesTo"] == [
        {"code": "replaces", "target": {"reference": f"DocumentReference/{id_of(replaced)}"}}
    ]
    assert ask(f"DocumentReference/{id_of(replaced)}").json()["status"] == "superseded"
    xml = ask(f"DocumentReference/{id_of(entry)}?_format=xml")
    assert read_xml(xml.content)["id"] == id_of(entry)
    read = AuditEvent.objects.filter(action="read", door="fhir", outcome="success").first()
    assert (read.study_instance_uid, read.patient_id) == (study.study_instance_uid, study.person_id)


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("", True),
        ("author.given=eva", True),
        ("author.family=E", True),
        ("author.family=Ek&author.given=Eva", True),
        ("author.family=Eva", False),
        ("author.family:exact=ek", False),
        ("category=IMAGES", True),
        ("category=urn:oid:1.3.6.1.4.1.19376.1.2.6.1|IMAGES", True),
        ("category=REPORTS", False),
        ("type=http://loinc.org|18748-4", True),
        ("type=http://snomed.info/sct|18748-4", False),
        ("setting=http://snomed.info/sct|394914008", True),
        ("facility=22232009", True),
        ("event=http://dicom.nema.org/resources/ontology/DCM|CT", True),
        ("event=MR,CT", True),
        ("event=MR", False),
        ("format=http://dicom.nema.org/resources/ontology/DCMUID|1.2.840.10008.5.1.4.1.1.88.59", True),
        ("format=http://dicom.nema.org/resources/CodeSystem/DICOM_UIDs|1.2.840.10008.5.1.4.1.1.88.59", True),
        ("security-label=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N", True),
        ("security-label=R", False),
        ("creation=2025-03-14", True),
        ("creation=ge2025-03-14T10:15:30Z", True),
        ("creation=gt2025-03-14", False),
        ("date=2025-03", True),
        ("date=lt2025-03-14", False),
        ("period=2025-03-13", True),
        ("period=ge2025-03-13T08:30:00Z&period=le2025-03-13T08:45:00Z", True),
        ("period=gt2025-03-13", False),
        ("_lastUpdated=ge2025-01-01", True),
        ("related=A1", True),
        ("related=urn:oid:1.2.3|A1", True),
        ("related:identifier=urn:oid:1.2.4|A1", False),
        ("accession-number=A1", True),
        ("accession-number=urn:oid:1.2.3|A1", True),
        ("accession-number=A2", False),
        ("modality=CT", True),
        ("modality=http://dicom.nema.org/resources/ontology/DCM|CT", True),
        ("modality=774007", False),
        ("anatomical-region=http://snomed.info/sct|774007", True),
        ("bodysite=774007", True),
        ("anatomical-region=80891009", False),
        ("study-instance-uid=urn:dicom:uid|urn:oid:1.2.3", False),
        ("_sort=-period", True),
    ],
)
def test_parameters_of_documents(ask, study, query, finds):
    entry = make_document(study)
    make_document(study, status="deprecated")
    answer = ask(f"DocumentReference?{PATIENT}&status=current&{query}")
    assert found_in(answer) == ([id_of(entry)] if finds else [])


def test_identifiers_of_documents(ask, study):
    entry = make_document(study)
    uid = study.study_instance_uid
    for query in (
        f"identifier=urn:ietf:rfc:3986|urn:oid:{entry.unique_id}",
        f"identifier=urn:oid:{entry.unique_id}",
        f"identifier={entry.unique_id}",
        f"identifier={entry.entry_uuid}",
        f"study-instance-uid=urn:dicom:uid|urn:oid:{uid}",
        f"study-instance-uid={uid}",
        f"related=urn:dicom:uid|urn:oid:{uid}",
        f"_id={id_of(entry)}",
    ):
        assert found_in(ask(f"DocumentReference?{PATIENT}&status=current,superseded&{query}")) == [
            id_of(entry)
        ]
    assert found_in(ask(f"DocumentReference?{PATIENT}&status=current&identifier=urn:oid:1.2.3")) == []


@pytest.mark.parametrize("kind", ["DocumentReference", "List"])
def test_patient_and_status_are_required(ask, study, kind):
    code = "&code=folder" if kind == "List" else ""
    for query in ("status=current", f"{PATIENT}{code}", "", "status=current&code=folder"):
        answer = ask(f"{kind}?{query}")
        assert answer.status_code == 400, query
        assert answer.json()["issue"][0]["diagnostics"].endswith("required")
    assert ask(f"List?{PATIENT}&status=current").status_code == 400


def test_an_unknown_patient_has_no_documents(ask, study):
    make_document(study)
    answer = ask("DocumentReference?patient.identifier=urn:oid:1.2.3|404&status=current")
    assert (answer.status_code, answer.json()["type"], answer.json()["total"]) == (200, "searchset", 0)


def test_documents_are_searched_by_form_by_reference_and_page_by_page(ask, study):
    entries = [make_document(study, creation_time_from=f"2025031{n}101530") for n in range(5)]
    body = f"patient=Patient/{study.person_id}&status=current&_count=2"
    answer = ask("DocumentReference/_search", "POST", body=body, Content_Type=FORM)
    found = found_in(answer)
    assert len(found) == 2
    while following := [link["url"] for link in answer.json()["link"] if link["relation"] == "next"]:
        answer = ask(following[0].partition("/fhir/")[2])
        found += found_in(answer)
    assert found == [id_of(entry) for entry in reversed(entries)]
    included = ask(f"DocumentReference?{body}&_include=DocumentReference:patient").json()["entry"]
    assert [each["search"]["mode"] for each in included] == ["match", "match", "include"]


def test_hidden_documents_and_lists_look_unknown(ask, study, department):
    hidden = make_document(make_study(make_department()), patient=study.person)
    held = make_submission_set(hidden)
    for kind, row in (("DocumentReference", hidden), ("List", held)):
        unknown = ask(f"{kind}/0c287d32-01e3-4d87-9953-9fcc9404eb21")
        invisible = ask(f"{kind}/{id_of(row)}")
        assert (invisible.status_code, invisible.content) == (404, unknown.content)
        assert dict(invisible.headers) == dict(unknown.headers)
    assert found_in(ask(f"DocumentReference?{PATIENT}&status=current")) == []
    assert found_in(ask(f"List?{PATIENT}&status=current&code=submissionset")) == []
    seen = make_document(study)
    both = make_submission_set(seen, hidden)
    relate(seen, "XFRM", hidden)
    listed = ask(f"List/{id_of(both)}").json()
    assert listed["entry"] == [{"item": {"reference": f"DocumentReference/{id_of(seen)}"}}]
    assert "relatesTo" not in ask(f"DocumentReference/{id_of(seen)}").json()


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        ("code=submissionset", "set"),
        ("code=folder", "folder"),
        ("code=https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes|folder", "folder"),
        ("code=submissionset&date=2025-03-14", "set"),
        ("code=submissionset&date=gt2025-03-14", ""),
        ("code=folder&date=2025-03-15", "folder"),
        ("code=submissionset&designationType=http://loinc.org|18748-4", "set"),
        ("code=folder&designationType=F1", "folder"),
        ("code=folder&designationType=F2", ""),
        ("code=submissionset&source.family=Ek&source.given=Eva", "set"),
        ("code=submissionset&source.family=Al", ""),
        ("code=submissionset&sourceId=urn:oid:1.2.752.9", "set"),
        ("code=submissionset&sourceId=1.2.752.8", ""),
        ("code=folder&sourceId=1.2.752.8", "folder"),
    ],
)
def test_parameters_of_lists(ask, study, query, finds):
    entry = make_document(study)
    folder = make_folder(entry)
    rows = {"set": make_submission_set(entry, folder), "folder": folder}
    answer = ask(f"List?{PATIENT}&status=current&{query}")
    assert found_in(answer) == ([id_of(rows[finds])] if finds else [])
    for each in answer.json().get("entry", []):
        check_list(each["resource"])
        items = [item["item"]["reference"] for item in each["resource"]["entry"]]
        assert items == [f"DocumentReference/{id_of(entry)}"] + [f"List/{id_of(folder)}"] * (finds == "set")


def test_a_list_is_found_by_its_identifiers_and_an_empty_one_by_its_department(ask, study):
    held = make_folder(patient=study.person, department=study.custodian)
    for query in (f"identifier=urn:oid:{held.unique_id}", f"identifier={held.entry_uuid}"):
        assert found_in(ask(f"List?{PATIENT}&code=folder&status=current&{query}")) == [id_of(held)]
    assert ask(f"List/{id_of(held)}").json()["mode"] == "working"
