"""ImagingStudy: what QIDO-RS lists is there, as the same rows, for the same actor; a FHIR client finds it."""

from urllib.parse import quote

import pytest
from fhirclient import client
from fhirclient.models.imagingstudy import ImagingStudy

from access.models import AuditEvent
from registry.fhir.resources import imaging_study
from registry.harmonise.duty import harmonise_studies
from registry.identity import PERSONNUMMER_OID
from registry.models import PatientIdentifier
from tests.registry.factories import make_department, make_series, make_study, make_uid

NUMBER = "191212121212"
SYSTEM = "http://electronichealth.se/identifier/personnummer"


def make_known(department, number=NUMBER, issuer=PERSONNUMMER_OID, **values):
    """Make a study of a patient with a number."""
    study = make_study(department, **values)
    person = PatientIdentifier.objects.filter(value=number, issuer=issuer).first()
    if person is None:
        national = issuer == PERSONNUMMER_OID
        PatientIdentifier.objects.create(
            patient=study.person, value=number, issuer=issuer, is_national=national
        )
    else:
        study.person = person.patient
        study.save()
    return study


def ids_of(answer):
    assert answer.status_code == 200, answer.content
    return [entry["resource"]["id"] for entry in answer.json().get("entry", [])]


def test_a_study_is_one_resource_with_its_series(ask, department):
    study = make_known(
        department,
        modalities=("CT",),
        instances=3,
        study_date="20250314",
        study_time="101530.5",
        accession_number="A1",
        accession_issuer="1.2.3",
        study_description="Thorax",
        referring_physician_name="Ek^Eva",
        series_values={
            "body_part_examined": "CHEST",
            "series_description": "Axial",
            "series_date": "20250314",
        },
    )
    resource = ask(f"ImagingStudy/{study.study_instance_uid}").json()
    assert resource["status"] == "available"
    assert resource["started"] == "2025-03-14T10:15:30.500+01:00"
    assert resource["identifier"][0] == {
        "system": "urn:dicom:uid",
        "value": f"urn:oid:{study.study_instance_uid}",
    }
    assert (resource["identifier"][1]["system"], resource["identifier"][1]["value"]) == (
        "urn:oid:1.2.3",
        "A1",
    )
    assert resource["subject"]["identifier"] == {"system": SYSTEM, "value": NUMBER}
    assert (resource["numberOfSeries"], resource["numberOfInstances"]) == (1, 3)
    [series] = resource["series"]
    assert (series["modality"]["code"], series["number"], series["numberOfInstances"]) == ("CT", 1, 3)
    assert (series["bodySite"], series["description"]) == ({"display": "CHEST"}, "Axial")
    patient = ask(resource["subject"]["reference"]).json()
    assert patient["name"][0]["family"] == "Åkerström"
    assert patient["identifier"] == [{"system": SYSTEM, "value": NUMBER}]


@pytest.mark.parametrize(
    ("query", "finds"),
    [
        (f"patient.identifier={SYSTEM}|{NUMBER}", True),
        (f"patient.identifier=urn:oid:{PERSONNUMMER_OID}|19121212-1212", True),
        ("patient.identifier=121212%2B1212", True),
        (f"patient:identifier={SYSTEM}|{NUMBER}", True),
        (f"patient.identifier=urn:oid:1.2.3|{NUMBER}", False),
        (f"patient.identifier={SYSTEM}|202001012392", False),
        ("identifier=A1", True),
        ("identifier=urn:oid:1.2.3|A1", True),
        ("identifier=urn:oid:1.2.4|A1", False),
        ("identifier=A2,A1", True),
        ("started=2025-03-14", True),
        ("started=2025-03", True),
        ("started=ge2025-03-14T10:00:00%2B01:00", True),
        ("started=gt2025-03-14T10:16:00%2B01:00", False),
        ("started=lt2025-03-14", False),
        ("started=le2025-03-14", True),
        ("started=ge2025-03-01&started=lt2025-03-14T09:15:31Z", True),
        ("modality=CT", True),
        ("modality=MR,CT", True),
        ("modality=http://dicom.nema.org/resources/ontology/DCM|CT", True),
        ("modality=urn:other|CT", False),
        ("modality=MR", False),
        ("status=available", True),
        ("status=cancelled", False),
        ("_sort=-started", True),
    ],
)
def test_parameters(ask, department, query, finds):
    study = make_known(
        department,
        study_date="20250314",
        study_time="101530",
        accession_number="A1",
        accession_issuer="1.2.3",
    )
    assert ids_of(ask(f"ImagingStudy?{query}")) == ([study.study_instance_uid] if finds else [])


@pytest.mark.parametrize("prefix", ["", "urn:oid:", "urn:dicom:uid|urn:oid:"])
def test_uids_find_what_holds_them(ask, department, prefix):
    study = make_study(department)
    make_study(department)
    series = study.series.get()
    instance = series.instances.get()
    found = [study.study_instance_uid]
    assert ids_of(ask(f"ImagingStudy?series={prefix}{series.series_instance_uid}")) == found
    assert ids_of(ask(f"ImagingStudy?instance={prefix}{instance.sop_instance_uid}")) == found
    assert ids_of(ask(f"ImagingStudy?_id={study.study_instance_uid}")) == found
    if prefix:
        assert ids_of(ask(f"ImagingStudy?identifier={prefix}{study.study_instance_uid}")) == found
    assert ids_of(ask(f"ImagingStudy?identifier={prefix or 'urn:oid:'}1.2.3.404")) == []


def test_a_patient_is_found_by_reference_with_all_numbers(ask, department):
    one = make_known(department)
    PatientIdentifier.objects.create(patient=one.person, value="L1", issuer="1.2.3")
    make_study(department)
    for query in (
        f"patient=Patient/{one.person_id}",
        f"subject={one.person_id}",
        "patient.identifier=urn:oid:1.2.3|L1",
    ):
        assert ids_of(ask(f"ImagingStudy?{query}")) == [one.study_instance_uid]
    assert ids_of(ask(f"ImagingStudy?patient=http://elsewhere.example/fhir/Patient/{one.person_id}")) == []


def test_a_patient_with_more_studies_than_keys_is_no_oracle(ask, department, monkeypatch):
    monkeypatch.setattr(imaging_study, "MAX_STUDIES_OF_PATIENT", 2)
    mine = make_known(department)
    for _ in range(3):
        hidden = make_known(make_department(), number="201212121212")
    for _ in range(2):
        make_known(make_department(), number=NUMBER)
    assert ids_of(ask(f"ImagingStudy?patient.identifier={SYSTEM}|{NUMBER}")) == [mine.study_instance_uid]
    assert ids_of(ask(f"ImagingStudy?patient=Patient/{hidden.person_id}")) == []
    for _ in range(2):
        make_known(department)
    assert ask(f"ImagingStudy?patient.identifier={SYSTEM}|{NUMBER}").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "started=ne2025",
        "started=2025,2024",
        "identifier=A*",
        "identifier=urn:oid:1.2,A1",
        "modality=C*",
        "_sort=started",
    ],
)
def test_what_cannot_be_answered_rightly_is_refused(ask, query):
    assert ask(f"ImagingStudy?{query}").status_code == 400


def test_other_peoples_studies_and_patients_are_not_there(ask, token_of):
    hidden = make_known(make_department(), accession_number="A1")
    for query in (
        f"patient.identifier={SYSTEM}|{NUMBER}",
        f"patient=Patient/{hidden.person_id}",
        f"identifier=urn:oid:{hidden.study_instance_uid}",
        "identifier=A1",
        "",
    ):
        assert ids_of(ask(f"ImagingStudy?{query}")) == []
    unknown = ask("ImagingStudy/2.25.987654")
    invisible = ask(f"ImagingStudy/{hidden.study_instance_uid}")
    assert (invisible.status_code, invisible.content) == (404, unknown.content)
    assert ask(f"Patient/{hidden.person_id}").content == ask("Patient/999999").content
    region = token_of(None, "read")
    assert ask(f"ImagingStudy/{hidden.study_instance_uid}", token=region).status_code == 200


def test_fhir_and_qido_list_the_same(ask, client, department, token_of):
    make_study(department, study_date="20250101")
    make_study(department, study_date="20250301", modalities=("MR", "SR"))
    make_study(make_department(department.unit.provider))
    make_study(make_department())
    token = token_of(department, "read")
    qido = client.get("/dicom-web/studies", headers={"Authorization": f"Bearer {token}"}).json()
    listed = [row["0020000D"]["Value"][0] for row in qido]
    assert ids_of(ask("ImagingStudy", token=token)) == listed
    assert len(listed) >= 2


def test_what_is_missing_or_odd_is_left_out_or_said_to_be_unknown(ask, department):
    study = make_study(department, study_date="2025", accession_number="A1", accession_issuer="Röntgen & Co")
    make_series(study, modality="", series_number=2**40, series_date="99999999")
    make_series(study, modality="US", series_number=-3, series_description="   ")
    resource = ask(f"ImagingStudy/{study.study_instance_uid}").json()
    assert "started" not in resource
    [unknown] = [series for series in resource["series"] if "code" not in series["modality"]]
    assert unknown["modality"]["extension"][0]["valueCode"] == "unknown"
    odd = [series for series in resource["series"] if series["modality"].get("code") != "CT"]
    assert not {"number", "started", "description"} & {key for series in odd for key in series}
    system = resource["identifier"][1]["system"]
    assert ids_of(ask(f"ImagingStudy?identifier={quote(system)}|A1")) == [study.study_instance_uid]
    assert ids_of(ask("ImagingStudy?identifier=urn:samsyn:issuer:other|A1")) == []


def test_an_emptied_series_is_not_there(ask, department):
    study = make_study(department)
    make_series(study, instances=0, modality="SR")
    assert ask(f"ImagingStudy/{study.study_instance_uid}").json()["numberOfSeries"] == 1


def test_reads_and_searches_are_in_the_access_log(ask, department):
    study = make_known(department, study_instance_uid=f"{make_uid()}.77")
    ask(f"ImagingStudy/{study.study_instance_uid}")
    ask(f"ImagingStudy?patient.identifier={SYSTEM}|{NUMBER}")
    read = AuditEvent.objects.get(action="read", door="fhir")
    assert (read.study_instance_uid, read.patient_id) == (study.study_instance_uid, study.person_id)
    assert AuditEvent.objects.get(action="search", door="fhir").detail["results"] == 1


@pytest.mark.django_db(transaction=True)
def test_a_fhir_client_searches_pages_and_reads(live_server, department, token_of):
    uids = {make_known(department, study_date=f"2025010{day}").study_instance_uid for day in range(1, 4)}
    fhir = client.FHIRClient(settings={"app_id": "test", "api_base": f"{live_server.url}/fhir/"})
    fhir.server.session.headers["Authorization"] = f"Bearer {token_of(department, 'read')}"
    fhir.prepare()
    search = ImagingStudy.where({"patient.identifier": f"{SYSTEM}|{NUMBER}", "_count": "2"})
    found = list(search.perform_resources_iter(fhir.server))
    assert {study.id for study in found} == uids
    read = ImagingStudy.read(found[0].id, fhir.server)
    assert read.series[0].modality.code == "CT"
    assert read.subject.reference.startswith("Patient/")


def test_harmonised_values_are_codes_beside_the_words_of_the_source(ask, department):
    study = make_known(
        department,
        modalities=("CT",),
        study_description="Pulm",
        series_values={"body_part_examined": "THX"},
    )
    assert "procedureCode" not in ask(f"ImagingStudy/{study.study_instance_uid}").json()
    harmonise_studies()
    resource = ask(f"ImagingStudy/{study.study_instance_uid}").json()
    [procedure] = resource["procedureCode"]
    assert procedure["coding"] == [
        {"system": "urn:oid:1.2.752.999.5000.20", "code": "CT-CHEST", "display": "DT thorax"}
    ]
    assert resource["series"][0]["bodySite"] == {
        "system": "http://snomed.info/sct",
        "code": "67734004",
        "display": "THX",
    }
    assert resource["description"] == "Pulm"
