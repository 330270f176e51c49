"""Two patients are one: told to receivers of HL7 v2 as ADT^A40, the receiver's own numbers first.

Standard: HL7 v2.5.1 3.3.40, 3.4.9 (MRG); IHE ITI TF-2 3.30.4.2 (Patient Identity Merge)
"""

from datetime import datetime

from registry.models import Destination, MovedRow, PatientIdentifier, PatientMerge, Study
from repository.delivery.contents.messages import (
    Message,
    join,
    write_message,
    write_moment,
    write_numbered,
    write_segment,
)
from repository.delivery.contents.patient_segment import INTERNAL, NATIONAL, write_patient

KIND = join("ADT", "A40", "ADT_A39")


def write_merge(
    merge: PatientMerge, study: Study, destination: Destination, planned_at: datetime, key: str
) -> Message | None:
    """Write that the patient of a study was known by other numbers before; None where these are not known.

    Parameters
    ----------
    study
        A study of the patient, that the receiver has.
    """
    former = "~".join(
        write_numbered(row.value, row.issuer, NATIONAL if row.is_national else INTERNAL)
        for row in _find_former(merge, destination)
    )
    if not former:
        return None
    segments = [
        write_segment("EVN", "", write_moment(merge.made_at)),
        write_patient(study, destination),
        write_segment("MRG", former),
    ]
    return write_message(destination, KIND, segments, planned_at, key)


def _find_former(merge: PatientMerge, destination: Destination) -> list[PatientIdentifier]:
    """Return the numbers that a merge took over, those of the receiver's issuer first."""
    moved = MovedRow.objects.filter(merge=merge, table="registry.PatientIdentifier").values("row")
    rows = PatientIdentifier.objects.filter(pk__in=moved)
    return sorted(rows, key=lambda row: (row.issuer != destination.patient_issuer, row.issuer, row.value))
