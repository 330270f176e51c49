"""Reports as chains of versions: whatever order messages come in, the same version is the newest.

A version is what it says (state, text, file), and where its source dates it, when. Versions stand in one order that
depends on nothing else: preliminary ones below all others, then by the source's time, then by state. So what
comes late goes where it belongs, and what comes again is there already.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F

from access.models import Department, User
from registry.linking import Accession, await_studies, link_report
from registry.models import Order, Patient, Report, ReportVersion
from registry.relations import note_participation
from registry.report_readings import note_corrections
from registry.study_state import newest_of, note_reports
from registry.workflow_changes import keep_report, tell_report

PRELIMINARY, FINAL, ADDENDUM, CORRECTED, CANCELLED = (
    "preliminary",
    "final",
    "addendum",
    "corrected",
    "cancelled",
)
RANKS = {PRELIMINARY: 0, FINAL: 1, ADDENDUM: 2, CORRECTED: 3, CANCELLED: 4}
OUT_OF_THE_WAY = 1_000_000
"""Added to numbers while versions change places: no two may have the same at any moment."""


class ReportOfAnother(ValueError):
    """The number is that of another patient's report."""


@dataclass(frozen=True, slots=True)
class ReportDraft:
    """What a message says of one version of a report.

    Parameters
    ----------
    changed_at, is_dated
        The source's own time of this version; with `is_dated` false, the time of the message in its place.
    source_number
        The version's own number at the source.
    author_id
        HSA-id.
    file_sha256, document_unique_id
        Of a file that it came as.
    """

    patient: Patient
    filler_number: str
    status: str
    changed_at: datetime
    is_dated: bool = True
    issuer: str = ""
    title: str = ""
    text: str = ""
    author: str = ""
    author_id: str = ""
    language: str = "sv"
    source_number: str = ""
    document_unique_id: str = ""
    file_sha256: bytes = b""
    verifies: bool = True
    department: Department | None = None
    orders: tuple[Order, ...] = ()
    accessions: tuple[Accession, ...] = field(default=())
    study_instance_uids: tuple[str, ...] = ()


def take_version(draft: ReportDraft) -> tuple[Report, ReportVersion, bool]:
    """Put a version into its report's chain, and link the report; call it in a transaction.

    Returns
    -------
    tuple
        The report, the version, and whether it is new: one that is known already adds nothing.

    Raises
    ------
    ReportOfAnother
        The number is that of another patient's report.
    """
    report = _find_or_create(draft)
    before, kept = newest_of(list(report.versions.all())), _kept(report)
    version, is_new = _insert(report, draft)
    report.orders.add(*draft.orders)
    if draft.title and not report.title:
        report.title = draft.title[:400]
        report.save(update_fields=["title"])
    named = [Accession(order.accession_number, order.accession_issuer) for order in draft.orders]
    await_studies(report, draft.study_instance_uids, {*named, *draft.accessions}, draft.department)
    linked = {study.pk for study in link_report(report)}
    if is_new:
        _tell(report, version, linked)
        _note_author(report, draft)
    elif _kept(report) != kept:
        keep_report(report)
    newest = newest_of(list(report.versions.all()))
    if newest != before:
        note_corrections(report)
    return report, version, is_new


def find_report(source_number: str, issuer: str) -> Report | None:
    """Return the report that has a version with this number of its own, or that is known by it."""
    known = Report.objects.filter(filler_number=source_number, issuer=issuer).first()
    if known is not None or not source_number:
        return known
    row = ReportVersion.objects.filter(source_number=source_number, report__issuer=issuer)
    version = row.select_related("report").order_by("pk").first()
    return version.report if version else None


def sort_versions(versions: Sequence[ReportVersion]) -> list[ReportVersion]:
    """Sort versions from the oldest to the one that counts."""
    return sorted(versions, key=_place)


def name_version(version: ReportVersion) -> list[str]:
    """Name a version as any database would know it: number and issuer of its report, and the digest of what it says."""
    return [version.report.filler_number, version.report.issuer, bytes(version.digest).hex()]


def write_version_name(version: ReportVersion) -> str:
    """Write that name as one text for UIDs to be made of; a version without a digest by its state and time."""
    named = name_version(version)
    if not version.digest:
        named += [version.status, version.authored_at.isoformat()]
    return json.dumps(named)


def digest_of(draft: ReportDraft) -> bytes:
    """Return what a version is known by: what it says, and when it was changed where the source says that."""
    moment = str(draft.changed_at.timestamp()) if draft.is_dated else ""
    parts = (draft.status.encode(), draft.text.encode(), draft.file_sha256, moment.encode())
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()


def _place(version: ReportVersion) -> tuple[bool, datetime, int, bytes]:
    is_final = version.status != PRELIMINARY
    return is_final, version.authored_at, RANKS.get(version.status, 1), bytes(version.digest)


def _find_or_create(draft: ReportDraft) -> Report:
    report, is_new = Report.objects.get_or_create(
        filler_number=draft.filler_number,
        issuer=draft.issuer,
        defaults={"patient": draft.patient, "title": draft.title[:400], "verifies": draft.verifies},
    )
    if not is_new:  # one at a time at the chain of a report
        report = Report.objects.select_for_update().get(pk=report.pk)
    if report.patient_id != draft.patient.pk:
        raise ReportOfAnother("the number is that of another patient's report")
    return report


def _insert(report: Report, draft: ReportDraft) -> tuple[ReportVersion, bool]:
    versions = list(report.versions.all())
    digest = digest_of(draft)
    known = next((row for row in versions if bytes(row.digest) == digest), None)
    if known is not None:
        if draft.changed_at < known.authored_at:  # undated and repeated: it was said at the earlier time
            known.authored_at = draft.changed_at
            known.save(update_fields=["authored_at"])
            _renumber(versions)
        return known, False
    version = ReportVersion.objects.create(
        report=report,
        number=len(versions) + 1,
        status=draft.status,
        author=draft.author[:324],
        text=draft.text,
        language=draft.language,
        authored_at=draft.changed_at,
        digest=digest,
        source_number=draft.source_number,
        document_unique_id=draft.document_unique_id,
    )
    _renumber([*versions, version])
    return version, True


def _renumber(versions: Sequence[ReportVersion]) -> None:
    """Give versions the numbers of their places, 1 the oldest."""
    places = {row.pk: place for place, row in enumerate(sort_versions(versions), 1)}
    moved = [row for row in versions if row.number != places[row.pk]]
    own = ReportVersion.objects.filter(pk__in=[row.pk for row in moved])
    own.update(number=F("number") + OUT_OF_THE_WAY)
    for row in moved:
        row.number = places[row.pk]
        ReportVersion.objects.filter(pk=row.pk).update(number=row.number)


def _tell(report: Report, version: ReportVersion, linked: set[int]) -> None:
    """Append the change for each study that was not linked just now, or once for a report without study."""
    newest = newest_of(list(report.versions.all()))
    detail: dict[str, Any] = {
        "version": version.pk,
        "is_newest": newest is not None and newest.pk == version.pk,
    }
    studies = list(report.studies.order_by("pk"))
    for study in studies:
        note_reports(study)
        if study.pk not in linked:
            tell_report(report, study.study_instance_uid, **detail)
    if not studies:
        tell_report(report, **detail)


def _kept(report: Report) -> tuple[object, ...]:
    """Return what a repeated version may change."""
    return (
        report.title,
        set(report.orders.values_list("pk", flat=True)),
        report.awaited.count(),
        set(report.versions.values_list("pk", "authored_at")),
    )


def _note_author(report: Report, draft: ReportDraft) -> None:
    user = User.objects.filter(hsa_id=draft.author_id).first() if draft.author_id else None
    if user is not None:
        for study in report.studies.all():
            note_participation(study, user, "reported")
