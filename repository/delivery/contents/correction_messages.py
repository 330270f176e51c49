"""Two patients are one, or are two after all: told to receivers of HL7 v2, the receiver's own numbers first.

No event of HL7 v2 undoes ADT^A40. ADT^A37 parts the numbers of two patients, and that is what is told.

Standard: HL7 v2.5.1 3.3.37, 3.3.40, 3.4.9 (MRG); IHE ITI TF-2 3.30.4.2 (Patient Identity Merge)
"""

from datetime import datetime

from registry.models import Destination, MovedRow, Patient, PatientIdentifier, PatientMerge, Study
from repository.delivery.contents.messages import (
    Message,
    join,
    write_message,
    write_moment,
    write_numbered,
    write_segment,
)
from repository.delivery.contents.own_numbers import find_numbers_of
from repository.delivery.contents.patient_segment import (
    INTERNAL,
    NATIONAL,
    write_patient,
    write_person_segment,
)

KIND = join("ADT", "A40", "ADT_A39")
PARTED = join("ADT", "A37", "ADT_A37")


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


def write_parting(
    merge: PatientMerge, study: Study, destination: Destination, planned_at: datetime, key: str
) -> Message | None:
    """Write that the patient of a study and the other one of an undone merge are two; None where one has no number.

    Parameters
    ----------
    study
        A study of the patient, that the receiver has.
    """
    other = merge.survivor if study.person_id == merge.subsumed_id else merge.subsumed
    numbers = find_numbers_of(other.pk, destination)
    if not numbers or not find_numbers_of(study.person_id, destination):
        return None
    segments = [
        write_segment("EVN", "", write_moment(merge.undone_at)),
        write_patient(study, destination),
        write_person_segment("2", numbers, _describe(other)),
    ]
    return write_message(destination, PARTED, segments, planned_at, key)


def _describe(person: Patient) -> tuple[str, str, str]:
    return person.patient_name, person.patient_birth_date, person.patient_sex


def _find_former(merge: PatientMerge, destination: Destination) -> list[PatientIdentifier]:
    """Return the numbers that a merge took over, those of the receiver's issuer first."""
    moved = MovedRow.objects.filter(merge=merge, table="registry.PatientIdentifier").values("row")
    rows = PatientIdentifier.objects.filter(pk__in=moved)
    return sorted(rows, key=lambda row: (row.issuer != destination.patient_issuer, row.issuer, row.value))
