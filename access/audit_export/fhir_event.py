"""One row of the log as a FHIR AuditEvent, in the patterns of IHE BALP where one fits.

Standard: FHIR R4 AuditEvent; IHE ITI BALP 1.1; IHE ITI TF-2 3.81
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

from access.audit_export import kinds
from access.audit_export.dicom_message import is_ip_address
from access.audit_export.kinds import OUTCOMES, Code, Kind, kind_of
from access.audit_export.labels import PatientLabel, SourceLabel
from access.audit_export.reasons import explain_event
from access.models import AuditEvent
from access.seals.canonical import format_time

Resource = dict[str, Any]

DICOM = "http://dicom.nema.org/resources/ontology/DCM"
EVENT_TYPE = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ROLE_CLASS = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SOURCE_TYPE = "http://terminology.hl7.org/CodeSystem/security-source-type"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
HSA = "urn:oid:1.2.752.129.2.1.4.1"
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."

_REST = {
    "read": ("Read", "read", True),
    "store": ("Create", "create", False),
    "search": ("Query", "search-type", False),
}
"""Action -> profile, interaction, and whether the data flow from us to the one who asks."""
_DISCLOSED = ("deliver", "export")
_TOLD = ("rule", "door", "assignment_id", "department_hsa_id")
_CONSENT_KINDS = ("consent", "block", "lift")


def audit_event_resource(
    row: AuditEvent, labels: Mapping[int, PatientLabel], source: SourceLabel, *, language: str = "en"
) -> Resource:
    """Return the resource of a row; its id is that of the row.

    Parameters
    ----------
    labels
        Numbers of patients by key: see `access.audit_export.labels.FindPatients`.
    """
    kind = kind_of(row.action, has_study=bool(row.study_instance_uid), has_patient=row.patient_id is not None)
    resource: Resource = {"resourceType": "AuditEvent", "id": str(row.pk)}
    moment = format_time(row.recorded_at)
    profile = _profile_of(row)
    resource["meta"] = {"lastUpdated": moment} | ({"profile": [BALP + profile]} if profile else {})
    resource |= _types_of(row, kind)
    resource["recorded"] = moment
    resource["outcome"] = OUTCOMES.get(row.outcome, "4")
    why = explain_event(row, language)
    if why:
        resource["outcomeDesc"] = why
    if row.purpose == "care":
        resource["purposeOfEvent"] = [{"coding": [_coding(ACT_REASON, "TREAT", "treatment")]}]
    resource["agent"] = _agents_of(row, kind, source)
    resource["source"] = {
        **({"site": source.site} if source.site else {}),
        "observer": _observer(source),
        "type": [_coding(SOURCE_TYPE, "4", "Application Server")],
    }
    entities = _entities_of(row, labels)
    if entities:
        resource["entity"] = entities
    return resource


def _profile_of(row: AuditEvent) -> str:
    """Return the profile of BALP that the row fulfils; the profiles are for what succeeded, and name the network."""
    if row.outcome != "success" or not row.address:
        return ""
    has_patient = row.patient_id is not None
    if row.action in _DISCLOSED and has_patient and row.study_instance_uid:
        return "PrivacyDisclosure.Source"
    if row.action not in _REST or (row.action != "search" and not row.study_instance_uid):
        return ""
    return ("Patient" if has_patient else "") + _REST[row.action][0]


def _types_of(row: AuditEvent, kind: Kind) -> Resource:
    if row.action in _REST:
        interaction = _REST[row.action][1]
        action = {"read": "R", "create": "C"}.get(interaction, "E")
        return {
            "type": _coding(EVENT_TYPE, "rest", "RESTful Operation"),
            "subtype": [_coding(INTERACTION, interaction, interaction), _dicom(kind.event)],
            "action": action,
        }
    if row.action in _DISCLOSED:
        subtype = [_coding(LIFECYCLE, "disclose", "Disclose Record Lifecycle Event"), _dicom(kind.event)]
        return {"type": _dicom(kinds.EXPORT), "subtype": subtype, "action": "R"}
    subtypes = [_dicom(kind.type)] if kind.type else []
    own = {"system": "urn:samsyn:action", "code": row.action}
    return {"type": _dicom(kind.event), "subtype": [*subtypes, own], "action": kind.action}


def _agents_of(row: AuditEvent, kind: Kind, source: SourceLabel) -> list[Resource]:
    flows_out = _REST[row.action][2] if row.action in _REST else row.action in _DISCLOSED
    theirs, ours = (kinds.DESTINATION, kinds.SOURCE) if flows_out else (kinds.SOURCE, kinds.DESTINATION)
    person = row.on_behalf_of or (row.actor if row.actor_kind == "person" else "")
    client: Resource = {
        "type": _concept(_dicom(theirs)),
        "who": _identified(row.actor),
        "requestor": not person,
    }
    if row.address:
        client["network"] = {"address": row.address, "type": "2" if is_ip_address(row.address) else "1"}
    server: Resource = {
        "type": _concept(_dicom(ours)),
        "who": _observer(source),
        "requestor": False,
        "network": {"address": source.id, "type": "5"},
    }
    agents = [client, server]
    if person:
        agents.append(_person_agent(row, person))
    if row.care_unit_hsa_id or row.department_hsa_id:
        hsa_id = row.care_unit_hsa_id or row.department_hsa_id
        provider = _concept(_coding(ROLE_CLASS, "PROV", "healthcare provider"))
        agents.append({"type": provider, "who": _identified(hsa_id, HSA), "requestor": False})
    return agents


def _person_agent(row: AuditEvent, person: str) -> Resource:
    part = ("AUT", "author (originator)") if row.action == "store" else ("IRCP", "information recipient")
    agent: Resource = {
        "type": _concept(_coding(PARTICIPATION, *part)),
        "who": _identified(person),
        "requestor": True,
    }
    if row.role:
        agent["role"] = [{"text": row.role}]
    if row.rule:
        agent["policy"] = [f"urn:samsyn:rule:{row.rule}"]
    if row.purpose == "care":
        agent["purposeOfUse"] = [_concept(_coding(ACT_REASON, "TREAT", "treatment"))]
    return agent


def _entities_of(row: AuditEvent, labels: Mapping[int, PatientLabel]) -> list[Resource]:
    entities = []
    if row.action == "search":
        query = base64.b64encode(json.dumps(row.detail, sort_keys=True).encode()).decode()
        entities.append(
            {"type": _coding(ENTITY_TYPE, "2", "System Object"), "role": _role("24", "Query"), "query": query}
        )
    if row.study_instance_uid:
        entities.append(_study_entity(row))
    if row.patient_id is not None:
        what: Resource = {"reference": f"Patient/{row.patient_id}", "type": "Patient"}
        label = labels.get(row.patient_id)
        if label is not None:
            system = {"system": f"urn:oid:{label.issuer}"} if label.issuer else {}
            what["identifier"] = system | {"value": label.value}
        entities.append(
            {"what": what, "type": _coding(ENTITY_TYPE, "1", "Person"), "role": _role("1", "Patient")}
        )
    entities += [_basis_entity(name) for name in row.detail.get("basis", ()) if _is_consent(name)]
    return entities


def _study_entity(row: AuditEvent) -> Resource:
    uid = row.study_instance_uid
    what = {
        "reference": f"ImagingStudy/{uid}",
        "type": "ImagingStudy",
        "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"},
    }
    entity: Resource = {
        "what": what,
        # The query is the one System Object of its pattern.
        "type": _coding(RESOURCE_TYPES, "ImagingStudy", "ImagingStudy")
        if row.action == "search"
        else _coding(ENTITY_TYPE, "2", "System Object"),
        "role": _role("4", "Domain Resource"),
    }
    details = [
        {"type": name, "valueString": str(value)}
        for name in _TOLD
        if (value := getattr(row, name)) not in ("", None)
    ]
    if details:
        entity["detail"] = details
    return entity


def _basis_entity(name: str) -> Resource:
    kind, _, key = name.partition(":")
    what = {"reference": f"Consent/{kind}-{key}", "type": "Consent"}
    return {"what": what, "type": _coding(RESOURCE_TYPES, "Consent", "Consent")}


def _is_consent(name: object) -> bool:
    return isinstance(name, str) and name.partition(":")[0] in _CONSENT_KINDS


def _observer(source: SourceLabel) -> Resource:
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": source.id}, "display": source.id}


def _identified(value: str, system: str = "") -> Resource:
    value = value or "unknown"
    identifier = {"system": system, "value": value} if system else {"value": value}
    return {"identifier": identifier, "display": value}


def _role(code: str, display: str) -> Resource:
    return _coding(OBJECT_ROLE, code, display)


def _dicom(code: Code) -> Resource:
    return _coding(DICOM, code.value, code.meaning)


def _concept(coding: Resource) -> Resource:
    return {"coding": [coding]}


def _coding(system: str, code: str, display: str) -> Resource:
    return {"system": system, "code": code, "display": display}
