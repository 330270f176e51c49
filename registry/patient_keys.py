"""A search by patient number is one for the person: it finds what is stored under any number of the same patient.

A study keeps the number that its source sent, whatever the person is called by now. Which other numbers the person
has is read once a search; of a person with one number nothing else is asked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from access.prepared import PreparedList
from registry.conditions import make_condition, patient_numbers, split_values
from registry.matching import Match
from registry.models import PatientIdentifier

Numbered = tuple[int, str]
"""A patient's key, and one of the patient's numbers."""

_COLUMNS = ("patient_id", "patient__identifiers__value")
_OF_PERSONS = PreparedList(
    lambda numbers: PatientIdentifier.objects.filter(value__in=numbers).values_list(*_COLUMNS)
)


def widen_to_person(matches: Sequence[Match]) -> list[Match]:
    """Let an exact PatientID also find the other numbers of whoever has it, merged into the patient or linked.

    An IssuerOfPatientID beside it then says whose number was asked for, not under which the studies lie.
    """
    numbers = next((m for m in matches if m.attribute.keyword == "PatientID" and m.is_exact), None)
    if numbers is None:
        return list(matches)
    issuer = next((m for m in matches if m.attribute.keyword == "IssuerOfPatientID"), None)
    asked = {number for value in split_values(numbers) for number in patient_numbers(value)}
    found = [(person, value) for person, value in _read_numbers(sorted(asked), issuer) if value not in asked]
    if not found:
        return list(matches)
    persons, others = ({person for person, _ in found}, {value for _, value in found})
    widened = replace(numbers, others=tuple(sorted(others)), persons=tuple(sorted(persons)), issuer=issuer)
    return [widened if match is numbers else match for match in matches if match is not issuer]


def _read_numbers(asked: list[str], issuer: Match | None) -> Iterable[Numbered]:
    if issuer is None:
        return _OF_PERSONS.fetch(asked)
    rows = PatientIdentifier.objects.filter(make_condition(issuer, "issuer"), value__in=asked)
    return rows.values_list(*_COLUMNS)
