"""One row of the log as a DICOM audit message.

Names of people are left out: user names, HSA-ids and numbers tell who it was to those who may know.

Standard: PS3.15 A.5
"""

import base64
import ipaddress
import json
import re
from collections.abc import Mapping
from xml.etree import ElementTree

from access.audit_export import kinds
from access.audit_export.kinds import OUTCOMES, Code, Kind, kind_of
from access.audit_export.labels import PatientLabel, SourceLabel, label_patient
from access.models import AuditEvent
from access.seals.canonical import format_time

Element = ElementTree.Element

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
"""What DICOMweb's search is in the words of the message."""
MOST_DETAIL_BYTES = 15_000
"""What is longer is cut: a repository need not take more than 32768 octets. The row keeps all."""
_DICOM_DOORS = ("qido", "dimse")
_ROLES: dict[str, tuple[Code | None, Code]] = {
    "in": (kinds.DESTINATION, kinds.SOURCE),
    "query": (kinds.DESTINATION, kinds.SOURCE),
    "out": (kinds.SOURCE, kinds.DESTINATION),
    "export": (None, kinds.SOURCE),
    "application": (kinds.APPLICATION, kinds.LAUNCHER),
}
"""Our role and that of who asked."""
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TOLD = ("assignment_id", "role", "care_unit_hsa_id", "department_hsa_id", "purpose", "door", "rule")
"""Columns that go along as details of what was touched."""


def write_message(row: AuditEvent, labels: Mapping[int, PatientLabel], source: SourceLabel) -> bytes:
    """Return the XML of a row, UTF-8, without a declaration."""
    kind = kind_of(row.action, has_study=bool(row.study_instance_uid), has_patient=row.patient_id is not None)
    message = Element("AuditMessage")
    _add_event(message, row, kind)
    for participant in _participants(row, kind, source):
        message.append(participant)
    site = {"AuditEnterpriseSiteID": source.site} if source.site else {}
    reporter = ElementTree.SubElement(
        message, "AuditSourceIdentification", site | {"AuditSourceID": source.id}
    )
    ElementTree.SubElement(reporter, "AuditSourceTypeCode", {"csd-code": "4"})
    for item in _objects(row, kind, labels, source):
        message.append(item)
    return ElementTree.tostring(message, encoding="unicode").encode()


def _add_event(message: Element, row: AuditEvent, kind: Kind) -> None:
    attributes = {
        "EventActionCode": kind.action,
        "EventDateTime": format_time(row.recorded_at),
        "EventOutcomeIndicator": OUTCOMES.get(row.outcome, "4"),
    }
    event = ElementTree.SubElement(message, "EventIdentification", attributes)
    event.append(_coded("EventID", kind.event))
    if kind.type is not None:
        event.append(_coded("EventTypeCode", kind.type))
    event.append(_coded("EventTypeCode", Code(row.action, row.action, "SAMSYN")))
    reason = row.detail.get("reason") or row.detail.get("refusal")
    if reason:
        ElementTree.SubElement(event, "EventOutcomeDescription").text = _xml(str(reason))


def _participants(row: AuditEvent, kind: Kind, source: SourceLabel) -> list[Element]:
    """Return who took part: who asked first, then for whom, then we ourselves where the kind names two sides.

    Standard: PS3.15 A.5.3
    """
    ours, role = _ROLES.get(kind.shape, (None, None))
    is_requestor = not row.on_behalf_of and kind.shape != "out"
    found = [_participant(row.actor, role, requestor=is_requestor, address=row.address, job=row.role)]
    if row.on_behalf_of:
        found.append(_participant(row.on_behalf_of, None, requestor=True, job=row.role))
    if ours is not None or kind.shape in ("login", "alert"):
        found.append(_participant(source.id, ours, requestor=kind.shape == "out"))
    if kind.shape == "export":
        media = _participant(
            f"file:{row.detail.get('folder', 'export')}", kinds.DESTINATION_MEDIA, requestor=False
        )
        holder = ElementTree.SubElement(media, "MediaIdentifier")
        holder.append(_coded("MediaType", kinds.URI_MEDIA))
        found.append(media)
    return found


def _participant(
    user_id: str, role: Code | None, *, requestor: bool, address: str = "", job: str = ""
) -> Element:
    attributes = {"UserID": _xml(user_id) or "unknown", "UserIsRequestor": "true" if requestor else "false"}
    if address:
        attributes |= {
            "NetworkAccessPointID": _xml(address),
            "NetworkAccessPointTypeCode": "2" if is_ip_address(address) else "1",
        }
    found = Element("ActiveParticipant", attributes)
    if role is not None:
        found.append(_coded("RoleIDCode", role))
    if job:
        found.append(_coded("RoleIDCode", Code(job, job, "SAMSYN")))
    return found


def _objects(
    row: AuditEvent, kind: Kind, labels: Mapping[int, PatientLabel], source: SourceLabel
) -> list[Element]:
    found = []
    if row.study_instance_uid:
        uid = row.study_instance_uid
        study = _object(uid, kinds.STUDY_INSTANCE_UID, type_code="2", role="3", name=uid)
        _add_details(study, row, has_query=kind.shape == "query")
        _add_instances(study, row)
        found.append(study)
    if kind.shape == "query":
        found.append(_query_object(row))
    if kind.shape == "log":
        log = f"{source.id}/audit"
        found.append(
            _object(log, Code("12", "URI", "RFC-3881"), type_code="2", role="13", name="Security Audit Log")
        )
    if kind.shape == "alert" and not row.study_instance_uid:
        alert = _object(source.id, kinds.NODE_ID, type_code="2", role="13", name=row.action)
        _add_details(alert, row)
        found.append(alert)
    if row.patient_id is not None:
        number = label_patient(row.patient_id, labels).cx
        code = Code("2", "Patient Number", "RFC-3881")
        patient = _object(number, code, type_code="1", role="1", name=f"Patient/{row.patient_id}")
        if not found:
            _add_details(patient, row)
        found.append(patient)
    return found


def _query_object(row: AuditEvent) -> Element:
    query = _describe_detail(row)
    if row.door in _DICOM_DOORS:
        found = _object(STUDY_ROOT_FIND, kinds.SOP_CLASS_UID, type_code="2", role="3", query=query)
    else:
        criteria = Code("10", "Search Criteria", "RFC-3881")
        found = _object(row.door or "search", criteria, type_code="2", role="24", query=query)
    _add_details(found, row, has_query=True)
    return found


def _object(
    object_id: str, code: Code, *, type_code: str, role: str, name: str = "", query: bytes | None = None
) -> Element:
    attributes = {
        "ParticipantObjectID": _xml(object_id),
        "ParticipantObjectTypeCode": type_code,
        "ParticipantObjectTypeCodeRole": role,
    }
    found = Element("ParticipantObjectIdentification", attributes)
    found.append(_coded("ParticipantObjectIDTypeCode", code))
    if query is not None:
        ElementTree.SubElement(found, "ParticipantObjectQuery").text = base64.b64encode(query).decode()
    else:
        ElementTree.SubElement(found, "ParticipantObjectName").text = _xml(name)
    return found


def _add_details(item: Element, row: AuditEvent, *, has_query: bool = False) -> None:
    told = {name: str(value).encode() for name in _TOLD if (value := getattr(row, name)) not in ("", None)}
    told["event"] = str(row.pk).encode()
    if row.detail and not has_query:
        told["detail"] = _describe_detail(row)
    for name, value in told.items():
        encoded = base64.b64encode(value).decode()
        ElementTree.SubElement(item, "ParticipantObjectDetail", {"type": name, "value": encoded})


def _describe_detail(row: AuditEvent) -> bytes:
    text = json.dumps(row.detail, ensure_ascii=False, sort_keys=True).encode()
    if len(text) <= MOST_DETAIL_BYTES:
        return text
    return text[:MOST_DETAIL_BYTES].decode(errors="ignore").encode() + "…".encode()


def _add_instances(study: Element, row: AuditEvent) -> None:
    """Say how many instances it was about, where the row knows; of which classes it does not say."""
    count = row.detail.get("instances")
    if isinstance(count, int):
        description = ElementTree.SubElement(study, "ParticipantObjectDescription")
        ElementTree.SubElement(description, "SOPClass", {"NumberOfInstances": str(count)})


def _coded(name: str, code: Code) -> Element:
    return Element(
        name,
        {"csd-code": _xml(code.value), "codeSystemName": code.system, "originalText": _xml(code.meaning)},
    )


def _xml(text: str) -> str:
    return _NOT_IN_XML.sub("\ufffd", text).replace("\n", " ").replace("\r", " ")


def is_ip_address(text: str) -> bool:
    """Tell an address of the internet from a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
