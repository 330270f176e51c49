"""Every kind of event as a message of PS3.15 A.5: valid against its schema, codes as in the DICOM dictionary."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pydicom.sr.codedict import codes

from access.audit_export import kinds
from access.audit_export.dicom_message import write_message
from access.audit_export.kinds import KINDS, Code, Kind
from access.audit_export.labels import PatientLabel, SourceLabel
from access.models import AuditEvent
from tests.access.audit_rows import make_row

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parent / "audit_message.rng"))
SOURCE = SourceLabel("https://samsyn.example", "Region")
LABELS = {5: PatientLabel("191212121212", "1.2.752.129.2.1.3.1")}


def read(row: AuditEvent) -> etree._Element:
    """The message as lxml reads it, held against the schema."""
    message = etree.fromstring(write_message(row, LABELS, SOURCE))
    SCHEMA.assertValid(message)
    return message


def code_of(element: etree._Element) -> str:
    return str(element.get("csd-code"))


@pytest.mark.parametrize(
    "about", [{}, {"study_instance_uid": ""}, {"study_instance_uid": "", "patient_id": None}]
)
@pytest.mark.parametrize("action", [*KINDS, "assignment_give", "something_new"])
def test_every_kind_of_event_is_valid(action, about):
    message = read(make_row(action, **about))
    assert message.find("EventIdentification/EventID").get("codeSystemName") == "DCM"
    types = [code_of(e) for e in message.findall("EventIdentification/EventTypeCode")]
    assert types[-1] == action


def list_codes() -> list[Code]:
    found = {value for value in vars(kinds).values() if isinstance(value, Code)}
    for kind in (value for value in KINDS.values() if isinstance(value, Kind)):
        found |= {code for code in (kind.event, kind.type) if code}
    return sorted(found, key=lambda code: code.value)


@pytest.mark.parametrize("code", list_codes(), ids=lambda code: code.value)
def test_codes_mean_what_the_dictionary_says(code):
    known = {entry.value: entry.meaning for name in codes.DCM.dir() if (entry := getattr(codes.DCM, name))}
    assert known[code.value] == code.meaning


def test_a_read_says_who_what_and_why():
    message = read(make_row())
    event = message.find("EventIdentification")
    assert (code_of(event.find("EventID")), event.get("EventActionCode")) == ("110103", "R")
    assert event.get("EventDateTime") == "2026-11-24T12:00:00.000250Z"
    assert event.get("EventOutcomeIndicator") == "0"
    assert event.findtext("EventOutcomeDescription") == "consent"
    (who,) = message.findall("ActiveParticipant")
    assert (who.get("UserID"), who.get("UserIsRequestor")) == ("anna", "true")
    assert (who.get("NetworkAccessPointID"), who.get("NetworkAccessPointTypeCode")) == ("192.0.2.7", "2")
    assert code_of(who.find("RoleIDCode")) == "Läkare"
    study, patient = message.findall("ParticipantObjectIdentification")
    assert (study.get("ParticipantObjectID"), study.get("ParticipantObjectTypeCodeRole")) == ("1.2.3", "3")
    assert code_of(study.find("ParticipantObjectIDTypeCode")) == "110180"
    details = {
        d.get("type"): base64.b64decode(d.get("value")).decode()
        for d in study.iter("ParticipantObjectDetail")
    }
    assert (details["rule"], details["care_unit_hsa_id"], details["event"]) == ("9", "SE-U1", "17")
    assert '"basis": ["consent:12"]' in details["detail"]
    assert patient.get("ParticipantObjectID") == "191212121212^^^&1.2.752.129.2.1.3.1&ISO"


@pytest.mark.parametrize(
    ("action", "theirs", "ours"),
    [
        ("store", "110153", "110152"),
        ("deliver", "110152", "110153"),
        ("search", "110153", "110152"),
        ("application_start", "110151", "110150"),
    ],
)
def test_a_transfer_and_a_query_name_both_sides(action, theirs, ours):
    other, us = read(make_row(action, role="")).findall("ActiveParticipant")
    assert (code_of(other.find("RoleIDCode")), code_of(us.find("RoleIDCode"))) == (theirs, ours)
    assert us.get("UserID") == SOURCE.id
    assert (other.get("UserIsRequestor"), us.get("UserIsRequestor")) == (
        ("false", "true") if action == "deliver" else ("true", "false")
    )


def test_a_system_and_the_person_it_asks_for_both_take_part():
    system, person = read(make_row(actor="viewer", on_behalf_of="anna")).findall("ActiveParticipant")
    assert (system.get("UserID"), system.get("UserIsRequestor")) == ("viewer", "false")
    assert (person.get("UserID"), person.get("UserIsRequestor")) == ("anna", "true")


def test_a_query_is_told_as_it_was_asked():
    row = make_row(
        "search", door="qido", study_instance_uid="", patient_id=None, detail={"query": "PatientID=å"}
    )
    (query,) = read(row).findall("ParticipantObjectIdentification")
    assert query.get("ParticipantObjectID") == "1.2.840.10008.5.1.4.1.2.2.1"
    assert base64.b64decode(query.findtext("ParticipantObjectQuery")).decode() == '{"query": "PatientID=å"}'
    (query,) = read(make_row("search", door="portal", study_instance_uid="", patient_id=None)).findall(
        "ParticipantObjectIdentification"
    )
    assert query.get("ParticipantObjectTypeCodeRole") == "24"


def test_reading_the_log_names_the_log():
    (log, patient) = read(make_row("audit_read", study_instance_uid="")).findall(
        "ParticipantObjectIdentification"
    )
    assert log.findtext("ParticipantObjectName") == "Security Audit Log"
    assert (log.get("ParticipantObjectTypeCode"), log.get("ParticipantObjectTypeCodeRole")) == ("2", "13")
    assert code_of(log.find("ParticipantObjectIDTypeCode")) == "12"
    assert patient.get("ParticipantObjectTypeCodeRole") == "1"


def test_an_emergency_is_an_alert_about_a_patient():
    message = read(make_row("emergency_open", study_instance_uid=""))
    assert [code_of(e) for e in message.iter("EventID", "EventTypeCode")] == [
        "110113",
        "110127",
        "emergency_open",
    ]
    assert [
        o.get("ParticipantObjectTypeCodeRole") for o in message.iter("ParticipantObjectIdentification")
    ] == ["13", "1"]


@pytest.mark.parametrize(("outcome", "indicator"), [("success", "0"), ("failed", "4"), ("refused", "8")])
def test_the_outcome(outcome, indicator):
    assert (
        read(make_row(outcome=outcome)).find("EventIdentification").get("EventOutcomeIndicator") == indicator
    )


def test_a_patient_who_is_gone_is_named_by_the_key():
    patient = read(make_row(patient_id=6)).findall("ParticipantObjectIdentification")[-1]
    assert patient.get("ParticipantObjectID") == "samsyn:6"


def test_a_message_stays_within_what_every_repository_takes():
    """Standard: PS3.15 A.6 (32768 octets)"""
    long = {"query": "å" * 100_000}
    for action in ("search", "read"):
        row = make_row(action, detail=long)
        assert len(write_message(row, LABELS, SOURCE)) < 30_000
        read(row)


@given(st.text(), st.text(), st.text())
def test_no_text_breaks_the_message(actor, address, reason):
    message = read(
        make_row(actor=actor, address=address, role=reason, detail={"reason": reason, actor: reason})
    )
    assert len(message.findall("ActiveParticipant")) == 1
