"""Every kind of event as a FHIR AuditEvent: read by somebody else's models, in the patterns of BALP."""

import base64
import json

import pytest
from fhir.resources.R4B.auditevent import AuditEvent as R4AuditEvent
from fhirclient.models.auditevent import AuditEvent as ClientAuditEvent
from hypothesis import given
from hypothesis import strategies as st

from access.audit_export.fhir_event import BALP, audit_event_resource
from access.audit_export.kinds import KINDS
from access.audit_export.labels import PatientLabel, SourceLabel
from tests.access.audit_rows import make_row

SOURCE = SourceLabel("https://samsyn.example", "Region")
LABELS = {5: PatientLabel("191212121212", "1.2.752.129.2.1.3.1")}


def make_event(action: str = "read", **values: object) -> dict:
    """The resource of a row, read by two implementations of FHIR."""
    resource = audit_event_resource(make_row(action, **values), LABELS, SOURCE)
    R4AuditEvent.model_validate(resource)
    ClientAuditEvent(json.loads(json.dumps(resource)))
    return dict(resource)


def agent(resource: dict, code: str) -> dict:
    found: dict
    (found,) = [a for a in resource["agent"] if a["type"]["coding"][0]["code"] == code]
    return found


def entities(resource: dict, code: str) -> list[dict]:
    return [e for e in resource.get("entity", ()) if e["type"]["code"] == code]


@pytest.mark.parametrize("outcome", ["success", "refused"])
@pytest.mark.parametrize(
    "about", [{}, {"study_instance_uid": ""}, {"study_instance_uid": "", "patient_id": None}]
)
@pytest.mark.parametrize("action", [*KINDS, "something_new"])
def test_every_kind_of_event_is_a_resource(action, about, outcome):
    resource = make_event(action, outcome=outcome, **about)
    assert resource["id"] == "17"
    assert resource["outcome"] == {"success": "0", "refused": "8"}[outcome]
    assert "profile" not in resource["meta"] or outcome == "success"


def profile(resource: dict) -> str:
    (canonical,) = resource["meta"]["profile"]
    return str(canonical).removeprefix(BALP)


def test_a_read_follows_patient_read():
    resource = make_event("read")
    assert profile(resource) == "PatientRead"
    assert (resource["type"]["code"], resource["action"]) == ("rest", "R")
    assert "read" in [c["code"] for c in resource["subtype"]]
    client, server, user = agent(resource, "110152"), agent(resource, "110153"), agent(resource, "IRCP")
    assert client["network"] == {"address": "192.0.2.7", "type": "2"}
    assert (server["who"], server["network"]["type"]) == (resource["source"]["observer"], "5")
    assert (user["who"]["identifier"]["value"], user["requestor"]) == ("anna", True)
    assert user["role"] == [{"text": "Läkare"}]
    assert "network" not in user
    assert user["purposeOfUse"][0]["coding"][0]["code"] == "TREAT"
    (data,), (patient,) = entities(resource, "2"), entities(resource, "1")
    assert data["what"]["identifier"] == {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}
    assert data["role"]["code"] in ("3", "4", "20")
    assert patient["what"]["reference"] == "Patient/5"
    assert patient["what"]["identifier"]["value"] == "191212121212"
    assert patient["role"]["code"] == "1"


def test_without_a_patient_it_is_a_read():
    assert profile(make_event("read", patient_id=None)) == "Read"


def test_a_store_follows_patient_create():
    resource = make_event("store", actor="ct-1", actor_kind="system", role="")
    assert (profile(resource), resource["action"]) == ("PatientCreate", "C")
    assert agent(resource, "110153")["who"]["identifier"]["value"] == "ct-1"
    assert agent(resource, "110153")["requestor"] is True
    assert [a["type"]["coding"][0]["code"] for a in resource["agent"]] == ["110153", "110152", "PROV"]


@pytest.mark.parametrize(("patient", "name"), [(5, "PatientQuery"), (None, "Query")])
def test_a_search_follows_query(patient, name):
    resource = make_event(
        "search", patient_id=patient, study_instance_uid="", detail={"query": "PatientID=å"}
    )
    assert (profile(resource), resource["action"]) == (name, "E")
    assert "search-type" in [c["code"] for c in resource["subtype"]]
    assert agent(resource, "110153")["network"]
    (query,) = entities(resource, "2")
    assert query["role"]["code"] == "24"
    assert "what" not in query
    assert "detail" not in query
    assert json.loads(base64.b64decode(query["query"])) == {"query": "PatientID=å"}


def test_a_search_inside_a_study_has_one_query():
    resource = make_event("search")
    assert len(entities(resource, "2")) == 1
    assert len(entities(resource, "ImagingStudy")) == 1


@pytest.mark.parametrize("action", ["deliver", "export"])
def test_what_leaves_the_house_is_a_disclosure(action):
    resource = make_event(action)
    assert (profile(resource), resource["type"]["code"], resource["action"]) == (
        "PrivacyDisclosure.Source",
        "110106",
        "R",
    )
    assert "disclose" in [c["code"] for c in resource["subtype"]]
    assert agent(resource, "110153")["who"] == resource["source"]["observer"]
    assert agent(resource, "110152")["network"]


def test_an_emergency_is_a_security_alert():
    resource = make_event("emergency_open", study_instance_uid="")
    assert (resource["type"]["code"], resource["action"]) == ("110113", "E")
    assert [c["code"] for c in resource["subtype"]] == ["110127", "emergency_open"]


def test_the_reason_is_a_sentence_and_the_consent_is_named():
    resource = make_event("read")
    assert (
        resource["outcomeDesc"] == "The patient has consented to the reading of other care providers' data."
    )
    assert entities(resource, "Consent")[0]["what"]["reference"] == "Consent/consent-12"
    assert agent(resource, "IRCP")["policy"] == ["urn:samsyn:rule:9"]
    refused = make_event("read", outcome="refused", rule="2", detail={"reason": "no_agreement"})
    assert refused["outcomeDesc"].startswith("The care provider that owns the study has no agreement")
    assert agent(refused, "PROV")["who"]["identifier"]["value"] == "SE-U1"


def test_a_system_that_asks_for_a_person_names_both():
    resource = make_event("read", actor="viewer", actor_kind="system", on_behalf_of="anna")
    assert agent(resource, "110152")["who"]["display"] == "viewer"
    assert agent(resource, "110152")["requestor"] is False
    assert agent(resource, "IRCP")["who"]["display"] == "anna"


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_text_breaks_the_resource(actor, address, reason):
    row = make_row(actor=actor, address=address, role=reason, detail={"reason": reason, "basis": [reason, 5]})
    json.dumps(audit_event_resource(row, LABELS, SOURCE))
