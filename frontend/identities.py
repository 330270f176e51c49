"""Merges and requests for them as pages show them: two persons beside each other, each with all numbers.

Of a protected identity nothing says a place: neither who issued a local number nor which feed told of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from frontend.care_state import protected_among
from frontend.people import Banner, describe_fault, format_number, read_banner
from registry.affinity import affinity
from registry.identity import find_patient
from registry.merge_listing import moved_numbers
from registry.merge_requests import numbers_of
from registry.models import MergeRequest, Patient, PatientIdentifier, PatientMerge


@dataclass(frozen=True, slots=True)
class NumberLine:
    """A number, what its issuer's rule has against it, and who issued it; `is_asked` marks what a feed named."""

    number: str
    number_fault: str
    issuer: str
    is_asked: bool


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two."""

    banner: Banner
    is_protected: bool
    numbers: tuple[NumberLine, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two who are or would be one: the one that stays, and the one that becomes part of it."""

    row: MergeRequest | PatientMerge
    kind: str
    told_by: str
    survivor: Side
    subsumed: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both, the one that stays first."""
        return self.survivor, self.subsumed


def make_request_pair(row: MergeRequest) -> Pair | None:
    """Show a request; None if a number is nobody's any more."""
    found = [(number, find_patient(number)) for number in numbers_of(row)]
    patients = [patient for _number, patient in found if patient is not None]
    if len(patients) < len(found):
        return None
    protected = protected_among(patient.pk for patient in patients)
    sides = [
        _make_side(
            patient,
            patient.identifiers.order_by("pk"),
            asked={(number.value, number.issuer)},
            protected=protected,
        )
        for number, patient in found
        if patient is not None
    ]
    return _make_pair(row, sides)


def make_merge_pair(row: PatientMerge) -> Pair:
    """Show a merge with the numbers as they were before it."""
    patients = [row.survivor, row.subsumed]
    protected = protected_among(patient.pk for patient in patients)
    moved = moved_numbers([row]).get(row.pk, [])
    keys = {number.pk for number in moved}
    asked = {(number.value, number.issuer) for number in moved}
    kept = [number for number in row.survivor.identifiers.order_by("pk") if number.pk not in keys]
    left = [number for number in row.subsumed.identifiers.order_by("pk") if number.pk not in keys]
    sides = [
        _make_side(patient, numbers, asked=asked, protected=protected)
        for patient, numbers in zip(patients, (kept, [*moved, *left]), strict=True)
    ]
    return _make_pair(row, sides)


def _make_pair(row: MergeRequest | PatientMerge, sides: list[Side]) -> Pair:
    survivor, subsumed = sides
    is_masked = survivor.is_protected or subsumed.is_protected
    told_by = _("place not shown") if is_masked else row.source
    return Pair(row, _kinds().get(row.kind, row.kind), told_by, survivor, subsumed)


def _make_side(
    patient: Patient,
    numbers: Iterable[PatientIdentifier],
    *,
    asked: set[tuple[str, str]],
    protected: frozenset[int],
) -> Side:
    """Show one; if either of the two is protected, no place of either is said: they may be one."""
    lines = (
        NumberLine(
            format_number(number),
            describe_fault(number),
            _name_issuer(number, is_masked=bool(protected)),
            (number.value, number.issuer) in asked,
        )
        for number in numbers
    )
    return Side(read_banner(patient), patient.pk in protected, tuple(lines))


def _name_issuer(number: PatientIdentifier, *, is_masked: bool) -> str:
    if number.is_national:
        return _("Personal number")
    if is_masked:
        return _("place not shown")
    domain = affinity().patient_domain(number.issuer)
    return domain.name if domain else number.issuer


def _kinds() -> dict[str, str]:
    return {
        "merge": _("Merge: one number is used no more"),
        "link": _("Link: both numbers are used on"),
        "move": _("Move of one number"),
    }
