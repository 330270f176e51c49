"""What a patient's lesion looks like in a study, and which versions of a report the study has got."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from deploy.region.facts import Order, Patient, ReportState, ReportVersion
from deploy.region.identities import pick_staff_name
from deploy.region.seeds import Seeds
from deploy.region.wording import ADDENDUM, GROWTH, NO_PRIOR, WORDINGS

_LESION_SHARE_OF_VIEW = {"CT": 0.85, "MR": 0.85, "CR": 0.5, "DX": 0.5}


@dataclass(frozen=True, slots=True)
class Lesion:
    """A finding: its place and radius in the coordinates of the picture, which go from -1 to 1."""

    x: float
    y: float
    z: float
    radius: float


def plan_lesion(seeds: Seeds, patient: Patient, prior_number: int) -> Lesion | None:
    """Plan a patient's lesion as it is at the study after `prior_number` others: it grows between them."""
    if not patient.has_lesion:
        return None
    stream = seeds.open_stream("lesion", patient.index)
    x, y, z = stream.uniform(-0.25, 0.25), stream.uniform(-0.35, 0.35), stream.uniform(-0.3, 0.3)
    return Lesion(
        float(x), float(y), float(z), float(min(stream.uniform(0.06, 0.12) * (1 + 0.18 * prior_number), 0.3))
    )


def measure_lesion_mm(lesion: Lesion | None, order: Order) -> float | None:
    """Measure the longest axis of a lesion as the radiologist does; None if there is nothing to measure."""
    if lesion is None or order.exam.modality not in _LESION_SHARE_OF_VIEW:
        return None
    return round(lesion.radius * order.exam.field_of_view_mm * _LESION_SHARE_OF_VIEW[order.exam.modality], 1)


def plan_reports(
    seeds: Seeds, key: tuple[str, str], order: Order, performed_at: dt.datetime, prior_number: int
) -> tuple[ReportVersion, ...]:
    """Plan the versions of a report, oldest first: some stay preliminary, some are amended when final."""
    stream = seeds.open_stream("report", *key)
    lesion = plan_lesion(seeds, order.patient, prior_number)
    findings, impression = _write_report(order, lesion, prior_number)
    long_axis_mm = measure_lesion_mm(lesion, order)
    reader, written_at = (
        pick_staff_name(stream),
        performed_at + dt.timedelta(minutes=int(stream.integers(20, 600))),
    )
    first = ReportVersion(1, ReportState.PRELIMINARY, written_at, reader, findings, impression, long_axis_mm)
    if stream.random() > 0.93:
        return (first,)
    signed_at = written_at + dt.timedelta(minutes=int(stream.integers(15, 2400)))
    final = ReportVersion(2, ReportState.FINAL, signed_at, reader, findings, impression, long_axis_mm)
    if stream.random() > 0.12:
        return (first, final)
    return (first, final, _amend(stream, final))


def _amend(stream: np.random.Generator, final: ReportVersion) -> ReportVersion:
    amended_at = final.reported_at + dt.timedelta(hours=int(stream.integers(4, 96)))
    text = f"{final.findings} {ADDENDUM}"
    return ReportVersion(
        final.version + 1, ReportState.AMENDED, amended_at, pick_staff_name(stream), text, final.impression,
        final.long_axis_mm,
    )  # fmt: skip


def _write_report(order: Order, lesion: Lesion | None, prior_number: int) -> tuple[str, str]:
    wording = WORDINGS[order.exam.kind]
    if lesion is None:
        return wording.normal, wording.normal_impression
    mm = f"{measure_lesion_mm(lesion, order) or 0:.0f}"
    trend = GROWTH if prior_number else NO_PRIOR
    return f"{wording.finding.format(mm=mm)} {trend}", wording.finding_impression.format(mm=mm)
