"""Versions of reports: which is the newest, and that one was read.

The version id of a DiagnosticReport is the key of the version's row: its place in the chain moves when one
comes late.
"""

from collections.abc import Sequence

from access import audit
from access.actor import Actor
from access.policy import Decision
from registry.models import Report, ReportVersion
from registry.report_readings import note_reading


def newest_versions(reports: Sequence[Report]) -> dict[int, ReportVersion]:
    """Return the newest version of each report that has one."""
    rows = ReportVersion.objects.filter(report__in=[report.pk for report in reports]).order_by("number")
    return {version.report_id: version for version in rows}


def record_report_reading(actor: Actor, report: Report, version: ReportVersion, decision: Decision) -> None:
    """Record that a version of a permitted report is read; call it before the first byte, in a transaction.

    Who has read it is told when it is corrected.
    """
    note_reading(actor, [version])
    study = next(iter(report.studies.all()), None)
    audit.record(
        actor,
        "read",
        door="fhir",
        study_instance_uid=study.study_instance_uid if study else "",
        patient_id=report.patient_id,
        rule=decision.rule,
        reason=decision.reason,
        basis=decision.basis,
        may_spool=decision.may_spool,
        detail={"report": report.pk, "report_version": version.pk, "version": version.number},
    )
