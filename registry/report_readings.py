"""Who has read which version of a report, and must be told that it was corrected.

A notice stands until somebody acknowledges it: the reader, or for what a department's system received, anybody
who works in the department.
"""

from collections.abc import Sequence

from django.db.models import Q, QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.models import Department
from registry.models import Report, ReportReading, ReportVersion
from registry.noted import UnknownEntry

CORRECTING = frozenset({"addendum", "corrected", "cancelled"})
SHOWN = 50


def note_reading(actor: Actor, versions: Sequence[ReportVersion]) -> None:
    """Keep that an actor was given versions: a person, or the system of a department; others are nobody to tell.

    Call it after the decision, with the version that was shown; the reading itself is in the access log.
    """
    reader = actor.on_behalf_of or actor
    department_id = reader.scope.department_id
    if not versions or department_id is None or (reader.kind == "person" and reader.subject_id is None):
        return
    user_id = reader.subject_id if reader.kind == "person" else None
    known = ReportReading.objects.filter(version__in=versions, user=user_id)
    if user_id is None:
        known = known.filter(department=department_id)
    there = set(known.values_list("version_id", flat=True))
    missing = [version for version in versions if version.pk not in there]
    if missing:
        run_write(lambda: _add(missing, user_id, department_id))


def note_receipt(version: ReportVersion, department: Department) -> None:
    """Keep that a department's system was sent a version; call it in the transaction that knows of the receipt."""
    _add([version], None, department.pk)


def note_corrections(report: Report) -> None:
    """Ask for a notice to everybody whose latest reading was corrected since; call it where the chain changed.

    What corrects is an addendum, a correction, a withdrawal, and a final version that says other than one that
    was more than preliminary. A later correction asks anew whoever acknowledged an earlier one.
    """
    versions = list(report.versions.order_by("-number"))
    if not versions:
        return
    newest = versions[0]
    latest: dict[tuple[int | None, int | None], ReportReading] = {}
    rows = ReportReading.objects.filter(version__report=report).select_related("version")
    for row in rows.order_by("version__number"):
        latest[row.user_id, None if row.user_id else row.department_id] = row
    for row in latest.values():
        if _is_corrected(row.version, versions) and row.correction_id != newest.pk:
            ReportReading.objects.filter(pk=row.pk).update(
                correction=newest, notified_at=timezone.now(), acknowledged_at=None, acknowledged_by=""
            )


def list_corrections(actor: Actor, limit: int = SHOWN) -> list[ReportReading]:
    """Return what the actor read or the actor's department received, that was corrected and not acknowledged."""
    rows = _to_acknowledge(actor).select_related("version__report", "correction")
    return list(rows.prefetch_related("version__report__studies").order_by("-notified_at", "-pk")[:limit])


def acknowledge(actor: Actor, reading_id: int, *, door: str = "") -> ReportReading:
    """Note that the actor has seen that a report was corrected, and record it with both versions.

    Raises
    ------
    UnknownEntry
        There is no such notice, or it is not the actor's.
    """
    row = _to_acknowledge(actor).filter(pk=reading_id).select_related("version__report").first()
    if row is None:
        raise UnknownEntry("no such notice")

    def work() -> None:
        open_row = ReportReading.objects.filter(
            pk=row.pk, correction=row.correction_id, acknowledged_at__isnull=True
        )
        if not open_row.update(acknowledged_at=timezone.now(), acknowledged_by=actor.subject[:200]):
            raise UnknownEntry("no such notice")
        study = row.version.report.studies.order_by("pk").first()
        audit.record(
            actor,
            "correction_seen",
            door=door,
            study_instance_uid=study.study_instance_uid if study else "",
            patient_id=row.version.report.patient_id,
            detail={"report_version": row.version_id, "correction": row.correction_id},
        )

    run_write(work)
    return row


def _to_acknowledge(actor: Actor) -> QuerySet[ReportReading]:
    if actor.kind != "person" or actor.subject_id is None:
        return ReportReading.objects.none()
    mine = Q(user=actor.subject_id)
    if actor.scope.department_id is not None:
        mine |= Q(user__isnull=True, department=actor.scope.department_id)
    return ReportReading.objects.filter(mine, correction__isnull=False, acknowledged_at__isnull=True)


def _add(versions: Sequence[ReportVersion], user_id: int | None, department_id: int) -> None:
    now = timezone.now()
    rows = [
        ReportReading(version=version, user_id=user_id, department_id=department_id, read_at=now)
        for version in versions
    ]
    ReportReading.objects.bulk_create(rows, ignore_conflicts=True)
    for report in {version.report_id: version.report for version in versions}.values():
        note_corrections(report)  # it may have been corrected while this was being read


def _is_corrected(read: ReportVersion, versions: Sequence[ReportVersion]) -> bool:
    later = [row for row in versions if row.number > read.number]
    if any(row.status in CORRECTING for row in later):
        return True
    stood = read.status != "preliminary"
    return stood and any(row.status == "final" and row.text != read.text for row in later)
