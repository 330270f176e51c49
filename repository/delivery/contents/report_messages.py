"""One version of a report as ORU^R01.

Standard: HL7 v2.5.1 7.3.1, 7.4.1 (OBR), 7.4.2 (OBX), tables 0085 and 0123; IHE RAD TF-2 4.28
"""

import base64
from datetime import datetime

from registry.models import Destination, Order, Report, ReportVersion, Study
from repository.delivery.contents.messages import (
    Message,
    formatted,
    join,
    plain,
    write_coded,
    write_entity,
    write_message,
    write_moment,
    write_person,
    write_segment,
)
from repository.delivery.contents.own_numbers import find_accession, find_procedure
from repository.delivery.contents.patient_segment import write_patient
from repository.delivery.contents.report_files import read_file

KIND = join("ORU", "R01", "ORU_R01")
STATES = {"preliminary": "P", "final": "F", "addendum": "F", "corrected": "C", "cancelled": "X"}
"""OBR-25 and OBX-11; an addendum is told apart by its observation (`&ADT`)."""
IMAGING_STUDY = ("18748-4", "Diagnostic imaging study", "LN")
FILE_TYPES = {
    "application/pdf": ("AP", "PDF"),
    "application/rtf": ("AP", "RTF"),
    "text/xml": ("TEXT", "XML"),
    "text/plain": ("TEXT", "PLAIN"),
    "image/jpeg": ("IM", "JPEG"),
    "image/png": ("IM", "PNG"),
    "image/tiff": ("IM", "TIFF"),
}
"""Components 2 and 3 of ED. Standard: tables 0191 and 0291"""
DICOM_STUDY = ("113014", "DICOM Study", "DCM")


def write_report(
    version: ReportVersion, study: Study, destination: Destination, planned_at: datetime, key: str
) -> Message:
    """Write a version for a receiver; its text in one FT, the file it came as in an ED."""
    report = version.report
    orders: list[Order | None] = list(report.orders.order_by("pk")) or [None]
    segments = [write_patient(study, destination)]
    for number, order in enumerate(orders, 1):
        segments += [_write_order(order), _write_request(number, report, version, study, destination, order)]
        if number == 1:
            segments += _write_observations(version, study)
    return write_message(destination, KIND, filter(None, segments), planned_at, key)


def _write_order(order: Order | None) -> str:
    if order is None or not (order.placer_order_number or order.filler_order_number):
        return ""
    placer = write_entity(order.placer_order_number, order.placer_issuer)
    return write_segment("ORC", "RE", placer, write_entity(order.filler_order_number, order.accession_issuer))


def _write_request(
    number: int,
    report: Report,
    version: ReportVersion,
    study: Study,
    destination: Destination,
    order: Order | None,
) -> str:
    """Write OBR: the report's number in OBR-3, the accession number in OBR-18."""
    procedure = find_procedure(study, destination, order)
    fields = dict.fromkeys(range(1, 33), "")
    fields[1] = str(number)
    fields[2] = write_entity(order.placer_order_number, order.placer_issuer) if order else ""
    fields[3] = write_entity(report.filler_number, report.issuer)
    fields[4] = write_coded(procedure.code, procedure.scheme, procedure.text or report.title or "Radiology")
    fields[7] = plain(f"{study.study_date}{study.study_time.partition('.')[0]}")
    fields[18] = plain(find_accession(study, destination, order)[0])
    fields[19] = plain(order.requested_procedure_id) if order else ""
    fields[22] = write_moment(version.authored_at)
    fields[24] = "RAD"
    fields[25] = STATES[version.status]
    fields[32] = write_person(version.author).replace("^", "&") if version.author else ""
    return write_segment("OBR", *fields.values())


def _write_observations(version: ReportVersion, study: Study) -> list[str]:
    state, at = STATES[version.status], write_moment(version.authored_at)
    code, name, scheme = IMAGING_STUDY
    observed = join(f"{code}&ADT" if version.status == "addendum" else code, name, scheme)
    rows = [("HD", join(*DICOM_STUDY), plain(study.study_instance_uid))]
    file = read_file(version)
    if version.text or file is None:
        rows.append(("FT", observed, formatted(version.text)))
    if file is not None:
        kind = FILE_TYPES.get(file.media_type, ("AP", plain(file.media_type.rpartition("/")[2])))
        rows.append(("ED", observed, join("", *kind, "Base64", base64.b64encode(file.content).decode())))
    author = write_person(version.author)
    return [
        write_segment(
            "OBX",
            str(number),
            kind,
            coded,
            "",
            value,
            *("",) * 5,
            state,
            "",
            "",
            at,
            "",
            author if number > 1 else "",
        )
        for number, (kind, coded, value) in enumerate(rows, 1)
    ]
