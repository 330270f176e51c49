"""Reports and requests as documents: each version an entry of its own, about the study.

A new version of a report replaces the one before, an addendum is appended to it; a cancelled one leaves none.

Standard: IHE ITI TF-3 4.2.2 (RPLC, APND)
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha1
from itertools import groupby
from uuid import NAMESPACE_OID, uuid4, uuid5

from django.utils import timezone

from access.database import run_write
from registry.affinity import affinity
from registry.affinity_domain.shapes import DocumentCodes
from registry.documents import deprecate, register
from registry.dtm import write_dtm
from registry.identity import is_oid
from registry.models import DocumentEntry, Order, ReportVersion, Study
from registry.models.document import APPROVED
from registry.orders import name_order
from registry.reports import write_version_name
from registry.submission import (
    AssociationDraft,
    Author,
    Code,
    EntryDraft,
    Origin,
    Submission,
    SubmissionSetDraft,
)
from repository.document_store import StoredContent, discard, find_content, keep, store_bytes
from repository.models import Publication

log = logging.getLogger(__name__)

TEXT = "text/plain"
_STUDY = "urn:ihe:iti:xds:2016:studyInstanceUID"


@dataclass(frozen=True, slots=True)
class _Text:
    """What becomes a document: its bytes, what it is of, and which entry it follows and how."""

    draft: EntryDraft
    body: bytes | None
    link: str = ""
    former: DocumentEntry | None = None


class UnpublishedTexts(Exception):
    """Reports or requests of a study could not become documents; the message says which and why."""


def publish_texts(study: Study, patient_id: str, confidentiality: Code) -> int:
    """Register the report versions and requests of a study that are no documents yet; returns how many.

    Raises
    ------
    UnpublishedTexts
        One could not be. The others were registered, but for later versions of the same report: they follow it.
    """
    versions = ReportVersion.objects.filter(report__studies=study, documents=None).select_related("report")
    orders = Order.objects.filter(studies=study).order_by("pk")
    chains = groupby(versions.order_by("report_id", "number"), key=lambda version: version.report_id)
    works: list[tuple[str, Callable[[], int]]] = [
        (f"report {key}", partial(_publish_chain, list(chain), study, patient_id, confidentiality))
        for key, chain in chains
    ]
    works += [
        (f"request {order.pk}", partial(_publish_order, order, study, patient_id, confidentiality))
        for order in orders
    ]
    count, failures = 0, []
    for name, work in works:
        try:
            count += work()
        except Exception as error:
            log.exception("%s of study %s could not be published", name, study.study_instance_uid)
            failures.append(f"{name}: {type(error).__name__}: {error}")
    if failures:
        raise UnpublishedTexts("; ".join(failures))
    return count


def _publish_chain(
    versions: list[ReportVersion], study: Study, patient_id: str, confidentiality: Code
) -> int:
    return sum(_publish_version(version, study, patient_id, confidentiality) for version in versions)


def _publish_version(version: ReportVersion, study: Study, patient_id: str, confidentiality: Code) -> int:
    rows = DocumentEntry.objects.filter(
        maker="report", report_version__report=version.report_id, status=APPROVED
    )
    former = rows.exclude(report_version__status="addendum").order_by("pk").last()
    if version.status == "cancelled":
        if former is not None:
            run_write(lambda: deprecate([former]))
        return 0
    uid = version.document_unique_id or _uid(f"report/{write_version_name(version)}")
    if DocumentEntry.objects.filter(unique_id=uid).exists():
        return 0
    codes = affinity().manifest_codes.report
    draft = _draft(uid, "report", codes, study, patient_id, confidentiality)
    draft = replace(
        draft,
        title=(version.report.title or study.study_description or "Report")[:128],
        creation_time=write_dtm(version.authored_at),
        authors=_authors(version.author),
        report_version_id=version.pk,
    )
    stored = find_content(uid)
    link = ("APND" if version.status == "addendum" else "RPLC") if former else ""
    if stored is not None:
        draft = replace(draft, mime_type=stored.mime_type, hash=bytes(stored.sha1).hex(), size=stored.size)
        return _publish(_Text(draft, None, link, former), study)
    return _publish(_Text(draft, version.text.encode(), link, former), study)


def _publish_order(order: Order, study: Study, patient_id: str, confidentiality: Code) -> int:
    body = _request_text(order).encode()
    rows = DocumentEntry.objects.filter(maker="request", order=order, status=APPROVED)
    former = rows.order_by("pk").last()
    if former is not None and former.hash == sha1(body, usedforsecurity=False).hexdigest():
        return 0
    codes = affinity().manifest_codes.request
    draft = _draft(_uid_of_request(order, body), "request", codes, study, patient_id, confidentiality)
    draft = replace(
        draft,
        title=(order.procedure_text or "Request")[:128],
        creation_time=write_dtm(order.ordered_at or timezone.now()),
        authors=_authors(order.requester),
        order_id=order.pk,
    )
    return _publish(_Text(draft, body, "RPLC" if former else "", former), study)


def _publish(text: _Text, study: Study) -> int:
    stored: StoredContent | None = None
    draft = text.draft
    if text.body is not None:
        stored = store_bytes(text.body, draft.unique_id, draft.mime_type)
        draft = replace(draft, hash=stored.sha1.hex(), size=stored.size_bytes)
    try:
        return run_write(lambda: _register(replace(text, draft=draft), stored, study))
    except BaseException:
        if stored is not None:
            discard(stored)
        raise


def _register(text: _Text, stored: StoredContent | None, study: Study) -> int:
    # The row is the lock: of two publishers the second sees what the first has registered.
    list(Publication.objects.select_for_update().filter(pk=study.study_instance_uid))
    draft, domain = text.draft, affinity()
    if DocumentEntry.objects.filter(unique_id=draft.unique_id, status=APPROVED).exists():
        return 0
    if stored is not None:
        keep(stored)
    submission_set = SubmissionSetDraft(
        "submission",
        f"2.25.{uuid4().int}",
        domain.source_id,
        draft.patient_id,
        write_dtm(timezone.now()),
        content_type_code=domain.manifest_codes.content_type_code,
        authors=draft.authors,
        home_community_id=domain.home_community_id,
    )
    links = [AssociationDraft("member", "HasMember", "submission", draft.entry_uuid, "Original")]
    if text.former is not None:
        links.append(AssociationDraft("link", text.link, draft.entry_uuid, text.former.entry_uuid))
    register(Submission((submission_set,), (draft,), (), tuple(links)), Origin(study.custodian_id, "samsyn"))
    return 1


def _draft(
    uid: str, maker: str, codes: DocumentCodes, study: Study, patient_id: str, confidentiality: Code
) -> EntryDraft:
    domain = affinity()
    return EntryDraft(
        entry_uuid=maker,
        unique_id=uid,
        patient_id=patient_id,
        mime_type=TEXT,
        class_code=codes.class_code,
        type_code=codes.type_code,
        format_code=codes.format_code,
        practice_setting_code=domain.manifest_codes.practice_setting_code,
        healthcare_facility_type_code=domain.manifest_codes.healthcare_facility_type_code,
        confidentiality_codes=(confidentiality,),
        source_patient_id=_source_patient_id(study) or patient_id,
        language_code=domain.manifest_codes.language_code,
        service_start_time=study.study_date,
        service_stop_time=study.study_date,
        repository_unique_id=domain.repository_unique_id,
        home_community_id=domain.home_community_id,
        references=(f"{study.study_instance_uid}^^^^{_STUDY}",),
        study_instance_uid=study.study_instance_uid,
        maker=maker,
    )


def _source_patient_id(study: Study) -> str:
    """Name the patient as the study's source did: that stays when patients are merged or parted."""
    issuer = study.issuer_of_patient_id
    return f"{study.patient_id_normal}^^^&{issuer}&ISO" if study.patient_id_normal and is_oid(issuer) else ""


def _request_text(order: Order) -> str:
    parts = (order.procedure_text, order.question, order.history)
    return "\n\n".join(part for part in parts if part) or "-"


def _authors(person: str) -> tuple[Author, ...]:
    """Name a person as XCN; a plain text is the family name."""
    text = person.strip()
    return (Author(person=text if "^" in text else f"^{text}"),) if text else ()


def _uid_of_request(order: Order, body: bytes) -> str:
    """Return the UID of a request's document: no key of the database is in it, as a rebuilt one gives them anew."""
    named = json.dumps(name_order(order))
    return _uid(f"request/{named}/{uuid5(NAMESPACE_OID, body.decode()).hex}")


def _uid(name: str) -> str:
    return f"2.25.{uuid5(NAMESPACE_OID, f'samsyn/{affinity().source_id}/{name}').int}"
