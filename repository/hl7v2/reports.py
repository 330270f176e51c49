"""A report in: its text or file becomes a version of a chain.

Standard: HL7 v2.5.1 7.3.1 (ORU^R01), 9.6 (MDM); IHE RAD TF-2 4.28 (RAD-28)
"""

import hashlib
import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from access import audit
from registry.hl7v2.message import Segment
from registry.hl7v2.patients import find_person, read_patient
from registry.hl7v2.receive import Handler, Incoming, Prepared
from registry.hl7v2.refusal import (
    DUPLICATE_KEY,
    REQUIRED_FIELD_MISSING,
    SEGMENT_SEQUENCE,
    Location,
    RefusedMessage,
)
from registry.hl7v2.requests import (
    Group,
    read_accessions,
    read_filler,
    read_groups,
    read_placer,
    read_study_uids,
)
from registry.hl7v2.values import read_coded, read_entity, read_person, read_time
from registry.linking import Accession
from registry.models import Order, Patient, Report
from registry.orders import find_orders
from registry.reports import (
    ADDENDUM,
    CANCELLED,
    CORRECTED,
    FINAL,
    PRELIMINARY,
    ReportDraft,
    ReportOfAnother,
    find_report,
    take_version,
)
from repository.document_store import StoredContent, keep, store_bytes
from repository.hl7v2.content import Content, decide_status, read_content, read_result_status

NAMESPACE = uuid.UUID("8a3c3a2e-6f0b-5f0e-9d53-3a1f2f6f6c11")
AT_REQUEST = Location("OBR")
BY_COMPLETION = {
    **dict.fromkeys(("DI", "DO", "IP", "IN", "PA"), PRELIMINARY),
    **dict.fromkeys(("AU", "LA"), FINAL),
}
"""By TXA-17. Standard: table 0271"""


@dataclass(frozen=True, slots=True)
class Sent:
    """One version as a message tells it, without the rows that it is about.

    `parent_number` is of the document that it adds to or replaces.
    """

    groups: tuple[Group, ...]
    content: Content
    number: str
    issuer: str
    status: str
    changed_at: datetime
    is_dated: bool
    title: str
    author_id: str
    author: str
    source_number: str = ""
    parent_number: str = ""
    where: Location = AT_REQUEST


def take_results(incoming: Incoming) -> Prepared:
    """Take the reports of an ORU^R01: each order with text of its own is one, the others are more orders of it."""
    message = incoming.message
    groups = [group for group in read_groups(message) if group.find("OBR") is not None]
    if not groups:
        raise RefusedMessage(SEGMENT_SEQUENCE, "a report needs the segment OBR", Location("OBR"))
    found: list[Sent] = []
    for group in groups:
        content = read_content(group.all("OBX"))
        is_empty = not content.text and not content.file
        if found and (is_empty or _says_same(content, found[-1].content)):
            found[-1] = replace(found[-1], groups=(*found[-1].groups, group))
        elif not is_empty or read_result_status(group.find("OBR")) or content.status:
            found.append(_read_result(incoming, group, content))
    return _prepare(incoming, found)


def take_document(incoming: Incoming) -> Prepared:
    """Take the document of an MDM: original (T02), addendum (T06), edited (T08), replaced (T10), withdrawn (T11)."""
    message = incoming.message
    event = message.header.text(9, 2)
    row = message.require("TXA")
    group = Group(
        [segment for segment in message.segments if segment.name not in ("MSH", "EVN", "PID", "PV1")]
    )
    content = read_content(group.all("OBX"))
    if event == "T11":
        status = CANCELLED
    elif not content.text and not content.file:
        raise RefusedMessage(
            REQUIRED_FIELD_MISSING, "a document needs a text or a file in OBX-5", Location("OBX", 1, 5)
        )
    else:
        status = _document_status(row, event, content)
    number, issuer = read_entity(row.value(12))
    if not number:
        raise RefusedMessage(REQUIRED_FIELD_MISSING, "the document needs a number", row.at(12, 1, 1))
    author_id, author = _document_author(row)
    changed_at = _first_time(row, 22) or read_time(row, 8) or read_time(row, 7) or read_time(row, 6)
    code = read_coded(row.value(2))
    sent = Sent(
        groups=(group,),
        content=content,
        number=number,
        issuer=issuer or incoming.sender.own_report_issuer,
        status=status,
        changed_at=changed_at or read_time(row, 4) or incoming.sent_at,
        is_dated=changed_at is not None,
        title=row.text(16) or code[2] or code[0],
        author_id=author_id,
        author=author,
        source_number=number,
        parent_number=read_entity(row.value(13))[0],
        where=row.at(12),
    )
    return _prepare(incoming, [sent])


def _prepare(incoming: Incoming, sent: list[Sent]) -> Prepared:
    """Write files durably first; then everything else in the transaction."""
    pid = read_patient(incoming.message.require("PID"), incoming.sender)
    stored = [_store_file(each) for each in sent]

    def work() -> str:
        patient = find_person(pid)
        for each, content in zip(sent, stored, strict=True):
            _take(incoming, patient, each, content)
        return ""

    return work


def _take(incoming: Incoming, patient: Patient, sent: Sent, content: StoredContent | None) -> None:
    sender = incoming.sender
    parent = find_report(sent.parent_number or sent.number, sent.issuer)
    number = parent.filler_number if parent else sent.parent_number or sent.number
    orders, accessions = _find_orders(incoming, patient, sent)
    draft = ReportDraft(
        patient=patient,
        filler_number=number,
        issuer=sent.issuer,
        status=sent.status,
        changed_at=sent.changed_at,
        is_dated=sent.is_dated,
        title=sent.title,
        text=sent.content.text,
        author=sent.author,
        author_id=sent.author_id,
        source_number=sent.source_number,
        document_unique_id=content.unique_id if content else "",
        file_sha256=content.sha256 if content else b"",
        verifies=sender.verifies_by_report,
        department=sender.department,
        orders=tuple(orders),
        accessions=tuple(accessions),
        study_instance_uids=tuple(
            dict.fromkeys(uid for group in sent.groups for uid in read_study_uids(group.segments))
        ),
    )
    if content is not None:
        keep(content)
    try:
        report, version, is_new = take_version(draft)
    except ReportOfAnother as error:
        raise RefusedMessage(DUPLICATE_KEY, str(error), sent.where) from error
    _record(incoming, report, version.pk, is_new=is_new)


def _record(incoming: Incoming, report: Report, version_id: int, *, is_new: bool) -> None:
    study = report.studies.order_by("pk").first()
    audit.record(
        incoming.sender.actor,
        "report_feed",
        door="hl7v2",
        study_instance_uid=study.study_instance_uid if study else "",
        patient_id=report.patient_id,
        detail={"report": report.pk, "report_version": version_id, "is_new": is_new},
    )


def _find_orders(incoming: Incoming, patient: Patient, sent: Sent) -> tuple[list[Order], list[Accession]]:
    orders: dict[int, Order] = {}
    accessions: list[Accession] = []
    for group in sent.groups:
        named = read_accessions(group, incoming.sender) or _document_accessions(incoming, group)
        accessions += named
        placer, placer_issuer = read_placer(group, incoming.sender)
        if not placer and (row := group.find("TXA")) is not None:
            placer, placer_issuer = read_entity(row.value(14))
            placer_issuer = placer_issuer or incoming.sender.placer_issuer
        for each in named or [Accession("")]:
            found = find_orders(patient.pk, each, placer, placer_issuer)
            orders |= {order.pk: order for order in found}
    return list(orders.values()), list(dict.fromkeys(accessions))


def _document_accessions(incoming: Incoming, group: Group) -> list[Accession]:
    """Return the filler's number of TXA-15, which is the accession number where a document names no other."""
    row = group.find("TXA")
    pairs = [read_entity(value) for value in row.values(15)] if row else []
    return [
        Accession(number, issuer or incoming.sender.accession_issuer) for number, issuer in pairs if number
    ]


def _read_result(incoming: Incoming, group: Group, content: Content) -> Sent:
    request = group.find("OBR")
    assert request is not None
    number, issuer = read_filler(group)
    if not number:
        raise RefusedMessage(
            REQUIRED_FIELD_MISSING, "a report needs the filler's number", request.at(3, 1, 1)
        )
    changed_at = read_time(request, 22)
    author_id, author = _result_author(group, request)
    code, _, text = read_coded(request.value(4))
    return Sent(
        groups=(group,),
        content=content,
        number=number,
        issuer=issuer or incoming.sender.own_report_issuer,
        status=decide_status(read_result_status(request), content),
        changed_at=changed_at or incoming.sent_at,
        is_dated=changed_at is not None,
        title=text or code,
        author_id=author_id,
        author=author,
        where=request.at(3),
    )


def _result_author(group: Group, request: Segment) -> tuple[str, str]:
    """Return who stands for a report: OBR-32, OBX-16, OBR-33, OBR-35."""
    observed = [row.value(16) for row in group.all("OBX") if row.raw(16)]
    for value in (request.value(32), *observed[:1], request.value(33), request.value(35)):
        number, name = read_person(value)
        if number or name:
            return number, name
    return "", ""


def _document_author(row: Segment) -> tuple[str, str]:
    for number in (22, 10, 9, 5):
        found = read_person(row.value(number))
        if any(found):
            return found
    return "", ""


def _first_time(row: Segment, number: int) -> datetime | None:
    """Return when a document was authenticated: the last component of TXA-22 (PPN)."""
    return read_time(row, number, 15)


def _document_status(row: Segment, event: str, content: Content) -> str:
    stated = BY_COMPLETION.get(row.text(17).upper(), "") or content.status or FINAL
    if stated == PRELIMINARY:
        return PRELIMINARY
    if event in ("T05", "T06"):
        return ADDENDUM
    if event in ("T07", "T08", "T09", "T10"):
        return CORRECTED
    return decide_status(stated, content)


def _says_same(one: Content, other: Content) -> bool:
    return one.text == other.text and one.file == other.file


def _store_file(sent: Sent) -> StoredContent | None:
    """Store the file of a report under a UID made of its bytes and number: the same again is the same document."""
    if not sent.content.file:
        return None
    digest = hashlib.sha256(sent.content.file).hexdigest()
    name = f"{sent.issuer}|{sent.number}|{sent.status}|{digest}"
    unique_id = f"2.25.{uuid.uuid5(NAMESPACE, name).int}"
    return store_bytes(sent.content.file, unique_id, sent.content.media_type)


HANDLERS: dict[str, dict[str, Handler]] = {
    "ORU": {"R01": take_results, "R30": take_results, "R31": take_results, "R32": take_results},
    "MDM": dict.fromkeys(("T02", "T04", "T06", "T08", "T10", "T11"), take_document),
}
"""By message code and trigger event."""
