"""Search of patients by what is known of them.

Standard: IHE ITI PDQm 3.0, ITI-78; FHIR R4 Patient
"""

from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils.timezone import localtime

from registry.fhir import patient_contacts
from registry.fhir.door import Asked
from registry.fhir.identifiers import issuer_of, numbers_of
from registry.fhir.parameters import Criterion, Query, SearchParameter, Value
from registry.fhir.values import DateRange, Token
from registry.fhir.visible_patients import visible_patients, without_protected
from registry.models import Patient
from registry.names import fold_name

PARAMETERS = (
    SearchParameter("_id", "token", "The id of the resource"),
    SearchParameter("identifier", "token", "A number as system|value, or any of a system as system|"),
    SearchParameter("active", "token", "true; what was merged into another is not found"),
    SearchParameter("family", "string", "The beginning of the family name"),
    SearchParameter("given", "string", "The beginning of a given name"),
    SearchParameter("name", "string", "The beginning of any part of the name"),
    SearchParameter("birthdate", "date", "The date of birth"),
    SearchParameter("gender", "token", "male, female, other, unknown"),
    *patient_contacts.PARAMETERS,
)
_BY_NUMBER = ("_id", "identifier")
_SEXES = {"male": "M", "female": "F", "other": "O"}


def find_patients(asked: Asked, query: Query) -> list[Patient]:
    """Find a page of patients, and one more if there are more; protected identities only by number.

    By where somebody lives no protected identity is found: also with the number, an answer would tell it.
    """
    rows = visible_patients(asked.actor)
    if not query.of(*_BY_NUMBER) or query.of(*patient_contacts.NAMES):
        rows = without_protected(rows)
    for criterion in query.criteria:
        rows = rows.filter(_condition(criterion))
    if query.position:
        rows = rows.filter(pk__gt=query.position[0])
    return _page(rows, query.count)


def _page(rows: QuerySet[Patient], count: int) -> list[Patient]:
    return list(rows.distinct().order_by("pk").prefetch_related("identifiers")[: count + 1])


def _condition(criterion: Criterion) -> Q:
    condition = Q(pk__in=[])
    for value in criterion.values:
        condition |= _condition_of(criterion.name, value)
    return condition


def _condition_of(name: str, value: Value) -> Q:
    if isinstance(value, DateRange):
        return _born(value)
    if name in patient_contacts.NAMES and isinstance(value, Token | str):
        return patient_contacts.condition_of(name, value)
    if isinstance(value, Token):
        return _is_token(name, value)
    text = fold_name(str(value))
    if name == "family":
        return Q(patient_name_folded__startswith=text)
    if name == "given":
        return _later_word(text)
    return Q(patient_name_folded__startswith=text) | _later_word(text)


def _later_word(text: str) -> Q:
    return Q(patient_name_folded__contains=f"^{text}") | Q(patient_name_folded__contains=f" {text}")


def _is_token(name: str, token: Token) -> Q:
    code = token.code or ""
    if name == "_id":
        return Q(pk=int(code)) if code.isascii() and code.isdigit() and len(code) <= 18 else Q(pk__in=[])
    if name == "active":
        return Q() if code == "true" else Q(pk__in=[])
    if name == "gender":
        return Q(patient_sex=_SEXES[code]) if code in _SEXES else ~Q(patient_sex__in=_SEXES.values())
    return _has_number(token)


def _has_number(token: Token) -> Q:
    """Find by number, also by one that was subsumed: it leads to the survivor, whose resource says `old` of it."""
    if token.system and not token.code:
        return Q(identifiers__issuer=issuer_of(token.system), identifiers__subsumed_at=None)
    condition = Q(pk__in=[])
    for number in numbers_of(token):
        condition |= Q(identifiers__value=number.value, identifiers__issuer=number.issuer)
    if token.system is None:
        condition |= Q(identifiers__value=token.code)
    return condition


def _born(asked: DateRange) -> Q:
    column = "patient_birth_date"
    low, end = _day(asked.start), _day(asked.end)
    inside = Q(**{f"{column}__gte": low, f"{column}__lt": end})
    known = ~Q(**{column: ""})
    return {
        "ne": known & ~inside,
        "gt": Q(**{f"{column}__gte": end}),
        "sa": Q(**{f"{column}__gte": end}),
        "lt": known & Q(**{f"{column}__lt": low}),
        "eb": known & Q(**{f"{column}__lt": low}),
        "ge": Q(**{f"{column}__gte": low}),
        "le": known & Q(**{f"{column}__lt": end}),
    }.get(asked.prefix, inside)


def _day(moment: datetime) -> str:
    return localtime(moment).strftime("%Y%m%d")
