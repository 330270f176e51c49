"""The patient of a message, under the numbers that the receiver knows.

Standard: HL7 v2.5.1 3.4.2 (PID), table 0203
"""

from collections.abc import Iterable

from registry.models import Destination, Study
from repository.delivery.contents.messages import plain, write_name, write_numbered, write_segment
from repository.delivery.contents.own_numbers import Number, find_patient_numbers

NATIONAL, INTERNAL = "NNSWE", "PI"


def write_patient(study: Study, destination: Destination) -> str:
    """Write PID for the patient of a study: as the region knows the patient, else as the study says."""
    person = study.person
    described = (
        person.patient_name or study.patient_name,
        person.patient_birth_date or study.patient_birth_date,
        person.patient_sex or study.patient_sex,
    )
    return write_person_segment("1", find_patient_numbers(study, destination), described)


def write_person_segment(set_id: str, numbers: Iterable[Number], described: tuple[str, str, str]) -> str:
    """Write PID for a person of whom name, date of birth and sex are known."""
    name, birth_date, sex = described
    identifiers = "~".join(
        write_numbered(number.value, number.issuer, NATIONAL if number.is_national else INTERNAL)
        for number in numbers
    )
    return write_segment(
        "PID", set_id, "", identifiers, "", write_name(name), "", plain(birth_date), plain(sex)
    )
