"""Dates and identifiers of a search as conditions on columns.

Standard: FHIR R4 search.html#date, #token
"""

from collections.abc import Iterable

from django.db.models import Q

from registry.fhir.door import Asked
from registry.fhir.errors import InvalidParameter
from registry.fhir.identifiers import is_hsa, issuer_of
from registry.fhir.parameters import Criterion
from registry.fhir.values import DateRange, ReferenceValue, Token

NUMBERS_OF_ORDER = (
    ("accession_number", "accession_issuer"),
    ("placer_order_number", "placer_issuer"),
    ("filler_order_number", "accession_issuer"),
)


def any_of(conditions: Iterable[Q]) -> Q:
    """Return the condition that one of several is true; of none, nothing is."""
    found = Q(pk__in=[])
    for condition in conditions:
        found |= condition
    return found


def tokens_of(criterion: Criterion) -> list[Token]:
    """Return the tokens of a criterion."""
    return [value for value in criterion.values if isinstance(value, Token)]


def number_condition(token: Token, column: str, issuer_column: str) -> Q:
    """Return the condition that a number with its issuer is meant; without a system, of any issuer."""
    condition = Q(**{column: token.code}) if token.code else ~Q(**{column: ""})
    if token.system is None:
        return condition
    return condition & Q(**{issuer_column: issuer_of(token.system)})


def order_numbers(tokens: Iterable[Token], prefix: str = "") -> Q:
    """Return the condition that one of the numbers of an order is meant, each with its own issuer."""
    return any_of(
        number_condition(token, f"{prefix}{column}", f"{prefix}{issuer}")
        for token in tokens
        for column, issuer in NUMBERS_OF_ORDER
    )


def date_condition(column: str, value: object, name: str) -> Q:
    """Return how a date of a search compares with a moment in a column.

    Raises
    ------
    InvalidParameter
        With the prefix `ap`, which says nothing definite.
    """
    if not isinstance(value, DateRange) or value.prefix == "ap":
        raise InvalidParameter(f"{name} takes dates with any prefix but ap", name)
    within = Q(**{f"{column}__gte": value.start, f"{column}__lt": value.end})
    if value.prefix == "eq":
        return within
    if value.prefix == "ne":
        return ~within & Q(**{f"{column}__isnull": False})
    operator, moment = {
        "gt": ("gte", value.end),
        "sa": ("gte", value.end),
        "ge": ("gte", value.start),
        "lt": ("lt", value.start),
        "eb": ("lt", value.start),
        "le": ("lt", value.end),
    }[value.prefix]
    return Q(**{f"{column}__{operator}": moment})


def hsa_ids_of(asked: Asked, criterion: Criterion) -> list[str]:
    """Return the HSA-ids of the organisations that a reference or an identifier names."""
    references = [
        value.id
        for value in criterion.values
        if isinstance(value, ReferenceValue) and value.names("Organization", asked.base)
    ]
    known = [token for token in tokens_of(criterion) if token.system is None or is_hsa(token.system)]
    return references + [token.code or "" for token in known]
