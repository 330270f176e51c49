"""A filter as a condition on studies in SQL: for previews and for sending the past, the same answer as `matching`.

Values of the region's vocabulary are those that are written: a study that the duty has not come to has none.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from access.models import Department
from registry.contacts import PROTECTED, search_line
from registry.models import (
    CareRelation,
    Encounter,
    Harmonised,
    Order,
    PatientAddress,
    PatientFlag,
    Series,
)
from registry.wishes.facts import (
    AREA_PARTS,
    AT_HOME,
    CANCELLED,
    EMERGENCY_CLASS,
    URGENT_WORDS,
    is_active,
    is_code,
    is_open,
)
from registry.wishes.filter import Filter, Flag, Group, Node, Not, Owner, ValueTest

EVERYTHING = Q(pk__isnull=False)
NOTHING = Q(pk__isnull=True)


def compile_filter(wanted: Filter, owner: Owner, now: datetime | None = None) -> Q:
    """Return the condition on `Study` under which a filter matches."""
    condition = EVERYTHING if wanted.node is None else _compile(wanted.node, owner, now or timezone.now())
    if wanted.not_from_self:
        foreign = Q(custodian__isnull=True) | ~Q(custodian=owner.department_id)
        return foreign & condition
    return condition


def _compile(node: Node, owner: Owner, now: datetime) -> Q:
    match node:
        case Group(of, nodes):
            condition = EVERYTHING if of == "all" else NOTHING
            for each in nodes:
                below = _compile(each, owner, now)
                condition = condition & below if of == "all" else condition | below
            return condition
        case Not(below):
            return ~_compile(below, owner, now)  # every condition here is true or false, never unknown
        case Flag(kind, wanted):
            return _compile_flag(kind) if wanted else ~_compile_flag(kind)
        case ValueTest("care_relation", values):
            return _compile_relation(values, owner, now)
        case ValueTest(kind, values):
            return _compile_test(kind, values)


def _compile_flag(kind: str) -> Q:
    if kind == "report_final":
        return Q(final_at__isnull=False)
    urgent = Q(urgency__in=URGENT_WORDS) | Q(encounter__patient_class=EMERGENCY_CLASS)
    return Q(Exists(_orders().filter(urgent)))


def _compile_test(kind: str, values: tuple[str, ...]) -> Q:
    match kind:
        case "modality_family" | "procedure":
            column = "modality_family" if kind == "modality_family" else "procedure_code"
            return Q(Exists(_harmonised().filter(**{f"{column}__in": values})))
        case "body_region":
            rows = _harmonised().annotate(as_text=Cast("body_regions", TextField()))
            return Q(Exists(rows.filter(_any_of(Q(as_text__contains=f'"{value}"') for value in values))))
        case "modality":
            return Q(Exists(_series().filter(modality__in=values)))
        case "ordering_unit":
            return Q(Exists(_orders().filter(_at("ordering_department__", values))))
        case "performing_unit":
            performed = _orders().filter(_at("performing_department__", values))
            return _kept_by(values) | Q(Exists(performed))
        case "patient_class":
            return Q(Exists(_orders().filter(encounter__patient_class__in=values)))
        case "source":
            return _kept_by(values)
        case "source_system":
            stored = Q(stored_by__in=values) | Q(stored_by_ae_title__in=values)
            return Q(Exists(_series().filter(stored)))
        case "residence":
            return _any_of(_lives_in(value) for value in values) & ~_is_protected()
        case "residence_area":
            at_home = PatientAddress.objects.filter(patient=OuterRef("person"), use__in=AT_HOME)
            return Q(Exists(at_home.filter(_any_of(_in_area(value) for value in values)))) & ~_is_protected()
        case "study_state":
            return Q(state__in=values)
    raise AssertionError(f"{kind} has no condition")


def _compile_relation(places: tuple[str, ...], owner: Owner, now: datetime) -> Q:
    condition = NOTHING
    going_on = Encounter.objects.filter(is_open(now), patient=OuterRef("person"))
    if "unit" in places:
        relations = CareRelation.objects.filter(
            is_active(now), patient=OuterRef("person"), unit=owner.unit_id
        )
        condition |= Q(Exists(relations)) | Q(Exists(going_on.filter(department__unit=owner.unit_id)))
    if "department" in places:
        condition |= Q(Exists(going_on.filter(department=owner.department_id)))
    return condition


def _harmonised() -> QuerySet[Harmonised]:
    return Harmonised.objects.filter(study=OuterRef("pk"))


def _series() -> QuerySet[Series]:
    return Series.objects.filter(study=OuterRef("pk"), number_of_series_related_instances__gt=0)


def _orders() -> QuerySet[Order]:
    return Order.objects.filter(studies=OuterRef("pk")).exclude(status=CANCELLED)


def _kept_by(hsa_ids: tuple[str, ...]) -> Q:
    return Q(Exists(Department.objects.filter(_at("", hsa_ids), pk=OuterRef("custodian"))))


def _at(to_department: str, hsa_ids: tuple[str, ...]) -> Q:
    """Return the condition that a department, its unit or its provider is one of those named."""
    names = ("hsa_id__in", "unit__hsa_id__in", "unit__provider__hsa_id__in")
    return _any_of(Q(**{f"{to_department}{name}": hsa_ids}) for name in names)


def _lives_in(digits: str) -> Q:
    """Return the condition that a postal code begins so, whether or not it is written with its blank."""
    spellings = {digits, f"{digits[:3]} {digits[3:]}".strip()}
    return _any_of(Q(person__postal_code__startswith=spelling) for spelling in sorted(spellings))


def _in_area(area: str) -> Q:
    """Return the condition that an address lies in a town, district or county of that name, or one of that code."""
    if is_code(area):
        return Q(search_text__contains=f"\n{search_line('district', area)}")
    lines = [f"\n{search_line(part, area)}" for part in AREA_PARTS]
    return _any_of(Q(search_text__contains=f"{line}\n") | Q(search_text__endswith=line) for line in lines)


def _is_protected() -> Q:
    """Return the condition that a patient's identity is protected: where the person lives is told to nobody."""
    flags = PatientFlag.objects.filter(
        patient=OuterRef("person"), kind__startswith=PROTECTED, ended_at__isnull=True
    )
    return Q(Exists(flags))


def _any_of(conditions: Iterable[Q]) -> Q:
    found = NOTHING
    for condition in conditions:
        found |= condition
    return found
