"""Patients by FHIR: fed and merged (ITI-104), cross-referenced (ITI-83), found (ITI-78), never beyond the rules."""

import json
from urllib.parse import quote

import pytest
from fhir.resources.R4B.parameters import Parameters
from fhir.resources.R4B.patient import Patient as ForeignPatient

from access.actor import Actor, Scope
from access.models import AuditEvent
from registry.identity import PERSONNUMMER_OID, PatientNumber, find_patient
from registry.merge_requests import make_request
from registry.models import MergeRequest, PatientFlag, PatientMerge, Study
from tests.registry.fhir.test_imaging_study import NUMBER, SYSTEM, ids_of, make_known
from tests.registry.queue_of_merges import queue

__all__ = ["queue"]

LOCAL = "1.2.752.97.9.9"
LOCAL_SYSTEM = f"urn:oid:{LOCAL}"
JSON = "application/fhir+json"


def make_sent(value, **more):
    return {
        "resourceType": "Patient",
        "identifier": [{"system": LOCAL_SYSTEM, "value": value}],
        "name": [{"family": "Ek", "given": ["Åsa"]}],
        "gender": "female",
        "birthDate": "1980-02-03",
        **more,
    }


@pytest.fixture
def feed(ask, token_of, db):
    token = token_of(None, "store")

    def send(value, sent=None, condition=None):
        where = quote(condition or f"{LOCAL_SYSTEM}|{value}")
        body = json.dumps(sent or make_sent(value))
        return ask(f"Patient?identifier={where}", "PUT", token=token, body=body, content_type=JSON)

    return send


def pix(ask, token, source, target=""):
    more = f"&targetSystem={quote(target)}" if target else ""
    return ask(f"Patient/$ihe-pix?sourceIdentifier={quote(source)}{more}", token=token)


def test_a_fed_patient_is_known_and_brought_up_to_date(feed):
    made = feed("1")
    assert made.status_code == 201, made.content
    assert ForeignPatient.model_validate_json(made.content).gender == "female"
    assert feed("1", make_sent("1", gender="male")).status_code == 200
    patient = find_patient(PatientNumber("1", LOCAL))
    assert (patient.patient_name, patient.patient_sex, patient.patient_birth_date) == (
        "Ek^Åsa",
        "M",
        "19800203",
    )


def test_a_feed_that_names_no_number_or_another_is_refused(feed, ask, token_of):
    assert feed("1", make_sent("2")).status_code == 400
    assert feed("1", condition="value").status_code == 400
    assert feed("1", make_sent("1", active=False)).status_code == 422
    where = quote(f"{LOCAL_SYSTEM}|1")
    reader = ask(f"Patient?identifier={where}", "PUT", body=json.dumps(make_sent("1")), content_type=JSON)
    assert reader.status_code == 403


def test_a_replaced_patient_is_merged(feed, ask, token_of):
    feed("1")
    feed("2")
    link = {"other": {"identifier": {"system": LOCAL_SYSTEM, "value": "2"}}, "type": "replaced-by"}
    answer = feed("1", make_sent("1", active=False, link=[link]))
    assert answer.status_code == 200, answer.content
    assert find_patient(PatientNumber("1", LOCAL)) == find_patient(PatientNumber("2", LOCAL))
    merged = PatientMerge.objects.get().subsumed_id
    shown = ask(f"Patient/{merged}", token=token_of(None, "read")).json()
    assert (shown["active"], shown["link"][0]["type"]) == (False, "replaced-by")


def test_a_replaced_patient_is_answered_as_it_still_is(feed, queue, ask, token_of):
    queue(LOCAL)
    feed("1")
    feed("2")
    link = {"other": {"identifier": {"system": LOCAL_SYSTEM, "value": "2"}}, "type": "replaced-by"}
    answer = feed("1", make_sent("1", active=False, link=[link]))
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["active"], "link" in shown) == (True, False)
    assert shown["id"] == str(find_patient(PatientNumber("1", LOCAL)).pk)
    make_request(MergeRequest.objects.get().pk, by=Actor("system", "test", Scope(), frozenset()), reason="so")
    assert find_patient(PatientNumber("1", LOCAL)) == find_patient(PatientNumber("2", LOCAL))
    read = ask(f"Patient/{shown['id']}", token=token_of(None, "read")).json()
    assert read["link"][0]["type"] == "replaced-by"
    assert (
        ask(f"Patient?identifier={quote(LOCAL_SYSTEM + '|1')}", token=token_of(None, "read")).json()["total"]
        == 1
    )


def test_numbers_of_one_patient_lead_to_each_other(feed, ask, token_of):
    token = token_of(None, "read")
    sent = make_sent("1")
    sent["identifier"].append({"system": SYSTEM, "value": NUMBER})
    feed("1", sent)
    answer = pix(ask, token, f"{LOCAL_SYSTEM}|1", SYSTEM)
    assert answer.status_code == 200, answer.content
    found = Parameters.model_validate_json(answer.content).parameter
    assert [one.name for one in found] == ["targetIdentifier", "targetId"]
    assert found[0].valueIdentifier.value == NUMBER


def test_what_is_unknown_has_its_own_status(feed, ask, token_of):
    token = token_of(None, "read")
    feed("1")
    for source, target, status, code in (
        (f"{LOCAL_SYSTEM}|9", "", 404, "not-found"),
        ("urn:oid:1.2.3.4|1", "", 400, "code-invalid"),
        (f"{LOCAL_SYSTEM}|1", "urn:oid:1.2.3.4", 403, "code-invalid"),
    ):
        answer = pix(ask, token, source, target)
        assert (answer.status_code, answer.json()["issue"][0]["code"]) == (status, code)
    assert ask("Patient/$ihe-pix", token=token).status_code == 400


def test_patients_are_found_by_what_is_known_of_them(feed, ask, token_of):
    token = token_of(None, "read")
    feed("1")
    feed("2", make_sent("2", name=[{"family": "Alm"}], birthDate="1990-01-01", gender="male"))
    first, second = (str(find_patient(PatientNumber(value, LOCAL)).pk) for value in "12")
    for query, ids in (
        ("family=ek", [first]),
        ("given=%C3%A5sa", [first]),
        ("birthdate=1990-01-01", [second]),
        ("birthdate=lt1985", [first]),
        ("gender=male", [second]),
        (f"identifier={quote(LOCAL_SYSTEM + '|2')}", [second]),
        (f"identifier={quote(LOCAL_SYSTEM + '|')}", [first, second]),
        (f"_id={first}", [first]),
        ("active=false", []),
    ):
        assert ids_of(ask(f"Patient?{query}", token=token)) == ids, query


def test_nobody_is_found_of_whom_the_caller_may_see_nothing(feed, ask, token_of, department):
    feed("1")
    seen = make_known(department)
    seen.person.patient_name_folded = "ek^asa"
    seen.person.save()
    assert ids_of(ask("Patient?family=ek")) == [str(seen.person_id)]
    PatientFlag.objects.create(
        patient=seen.person, kind="protected_1", registered_at=Study.objects.get().visible_at
    )
    assert ids_of(ask("Patient?family=ek")) == []
    assert ids_of(ask(f"Patient?identifier={quote(SYSTEM + '|' + NUMBER)}")) == [str(seen.person_id)]
    assert pix(ask, token_of(department, "read"), f"{LOCAL_SYSTEM}|1").status_code == 404


def test_a_known_patient_is_updated_at_its_address_in_the_version_that_was_seen(feed, ask, token_of):
    token = token_of(None, "store")
    made = feed("1")
    key, tag = made.json()["id"], made.headers["ETag"]

    def put(sent, **headers):
        return ask(f"Patient/{sent['id']}", "PUT", token=token, body=json.dumps(sent), **headers)

    changed = put(make_sent("1", id=key, gender="male"), If_Match=tag)
    assert (changed.status_code, changed.json()["gender"]) == (200, "male")
    assert changed.headers["ETag"] != tag
    assert put(make_sent("1", id=key), If_Match=tag).status_code == 412
    assert find_patient(PatientNumber("1", LOCAL)).patient_sex == "M"
    assert put(make_sent("2", id=key)).status_code == 400
    assert put(make_sent("1", id="999999")).status_code == 404
    reader = ask(f"Patient/{key}", "PUT", body=json.dumps(make_sent("1", id=key)))
    assert reader.status_code == 403


def test_a_patient_is_removed_while_nothing_is_kept_of_it(feed, ask, token_of, department):
    token = token_of(None, "store")

    def remove(system, value, **options):
        return ask(f"Patient?identifier={quote(f'{system}|{value}')}", "DELETE", **options)

    feed("1")
    assert remove(LOCAL_SYSTEM, "1").status_code == 403
    assert remove(LOCAL_SYSTEM, "1", token=token).status_code == 204
    assert find_patient(PatientNumber("1", LOCAL)) is None
    assert AuditEvent.objects.filter(action="patient_removed", door="fhir").count() == 1
    assert remove(LOCAL_SYSTEM, "1", token=token).status_code == 204
    study = make_known(department)
    assert remove(SYSTEM, NUMBER, token=token).status_code == 422
    assert Study.objects.get(pk=study.pk).person == find_patient(
        PatientNumber(NUMBER, PERSONNUMMER_OID, is_national=True)
    )
    for value in "23":
        feed(value)
    link = {"other": {"identifier": {"system": LOCAL_SYSTEM, "value": "3"}}, "type": "replaced-by"}
    assert feed("2", make_sent("2", active=False, link=[link])).status_code == 200
    assert remove(LOCAL_SYSTEM, "2", token=token).status_code == 422
    assert ask("Patient", "DELETE", token=token).status_code == 400
