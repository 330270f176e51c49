"""Reports on a page: what is shown is in the access log by version, and whoever saw it is told of corrections."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from access import audit
from access.actor import Actor
from access.policy import Decision
from frontend.opening import DOOR
from frontend.reports import ReportView, describe_status, read_reports
from registry.models import ReportReading, ReportVersion, Study
from registry.report_readings import list_corrections, note_reading


@dataclass(frozen=True, slots=True)
class CorrectionLine:
    """A report that was read and corrected since. It names no patient."""

    pk: int
    words: str
    title: str
    read_at: datetime
    notified_at: datetime | None
    study_instance_uid: str


def open_reports(actor: Actor, decision: Decision, study: Study) -> tuple[ReportView, ...]:
    """Read the reports of a study that was permitted, and record which versions are shown on top."""
    views = read_reports(study)
    record_versions(actor, decision, study, [view.latest.pk for view in views])
    return views


def record_versions(actor: Actor, decision: Decision, study: Study, keys: list[int]) -> None:
    """Record that versions of reports are shown; call it before the answer is made."""
    if not keys:
        return
    versions = list(ReportVersion.objects.filter(pk__in=keys).select_related("report"))
    note_reading(actor, versions)
    audit.touch(
        actor,
        study.study_instance_uid,
        study.person_id,
        door=DOOR,
        rule=decision.rule,
        reason=decision.reason,
        basis=decision.basis,
        may_spool=decision.may_spool,
        action="report_read",
        detail={"report_versions": sorted(keys)},
    )


def list_correction_lines(actor: Actor, patient_id: int | None = None) -> tuple[CorrectionLine, ...]:
    """List what the actor has read that was corrected and not acknowledged, of one patient or of all."""
    rows = list_corrections(actor)
    return tuple(
        _make_line(row) for row in rows if patient_id is None or row.version.report.patient_id == patient_id
    )


def _make_line(row: ReportReading) -> CorrectionLine:
    study = next(iter(row.version.report.studies.all()), None)
    status = row.correction.status if row.correction else ""
    words = {
        "corrected": _("A report that you have read has been corrected."),
        "addendum": _("A report that you have read has an addendum."),
        "cancelled": _("A report that you have read has been withdrawn."),
    }
    return CorrectionLine(
        row.pk,
        words.get(status, _("A report that you have read has been changed.")),
        row.version.report.title or describe_status(status).words,
        row.read_at,
        row.notified_at,
        study.study_instance_uid if study else "",
    )
