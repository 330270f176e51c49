"""The parameters of a search: which a resource knows, and what a request asks with them.

No parameter is passed over in silence: one that is not known is an error where the client wants it so
(`Prefer: handling=strict`), else a warning in the answer.

Standard: FHIR R4 search.html
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from registry.fhir.errors import InvalidParameter, UnknownParameter
from registry.fhir.values import (
    DateRange,
    ReferenceValue,
    Token,
    read_date,
    read_reference,
    read_token,
    split_values,
    unescape,
)

DEFAULT_COUNT, MAX_COUNT = 50, 200
MAX_PARAMETERS, MAX_VALUES, MAX_VALUE_LENGTH = 100, 100, 2000

ParameterType = Literal["token", "date", "string", "uri", "reference", "number"]
Value = Token | DateRange | ReferenceValue | str
Pairs = Sequence[tuple[str, str]]

REPRESENTATION = ("_format", "_pretty")
INCLUDES = ("_include", "_revinclude")


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """One parameter that a resource can be searched by.

    `modifiers` are those beside `missing`; `may_be_missing` says whether that one is known; `target` is the type a
    reference may name.
    """

    name: str
    type: ParameterType
    documentation: str
    modifiers: frozenset[str] = frozenset()
    may_be_missing: bool = False
    target: str = ""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter of a request: any of the values may match."""

    name: str
    values: tuple[Value, ...]
    modifier: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A search as read.

    `position` is where the page begins, as the resource's own search gave it; `applied` are the pairs that were
    understood; `warnings` say what was not; `included` are the includes of both directions that the resource has.
    """

    criteria: tuple[Criterion, ...] = ()
    count: int = DEFAULT_COUNT
    sort: tuple[str, ...] = ()
    position: tuple[str | int, ...] = ()
    applied: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = field(default=())
    included: frozenset[str] = frozenset()

    def of(self, *names: str) -> tuple[Criterion, ...]:
        """Return the criteria of parameters: each of them must match."""
        return tuple(criterion for criterion in self.criteria if criterion.name in names)


def parse_query(
    pairs: Pairs,
    known: Sequence[SearchParameter],
    sorts: Sequence[str] = (),
    includes: Sequence[str] = (),
    *,
    position: tuple[str | int, ...] = (),
    strict: bool = False,
) -> Query:
    """Read the pairs of a query string or form.

    Raises
    ------
    InvalidParameter
        A value or modifier that a parameter does not take.
    UnknownParameter
        A parameter that is not known, where the client is strict.
    """
    if len(pairs) > MAX_PARAMETERS:
        raise InvalidParameter(f"{len(pairs)} parameters; at most {MAX_PARAMETERS} are read")
    parameters = {parameter.name: parameter for parameter in known}
    criteria, applied, warnings = [], [], []
    count = DEFAULT_COUNT
    sort: tuple[str, ...] = ()
    included: set[str] = set()
    for name, text in pairs:
        if name in REPRESENTATION:
            continue
        if len(text) > MAX_VALUE_LENGTH or "\0" in text:
            raise InvalidParameter(
                f"{name[:60]} holds a NUL or more than {MAX_VALUE_LENGTH} characters", name[:60]
            )
        if name == "_count":
            count = _read_count(text)
        elif name == "_sort":
            sort = _read_sort(text, sorts)
        elif name.partition(":")[0] in INCLUDES:
            found = _read_include(text, includes)
            if not found:
                warnings.append(f"{name[:20]}={text[:60]} is not known here and was left out of the search")
                continue
            included |= found
        else:
            base, modifier = _split_name(name)
            parameter = parameters.get(base)
            if parameter is None:
                warnings.append(
                    f"the parameter {name[:60]!r} is not known here and was left out of the search"
                )
                continue
            criteria.append(_read_criterion(parameter, modifier, text))
        applied.append((name, text))
    if warnings and strict:
        raise UnknownParameter(
            f"{warnings[0].removesuffix(' and was left out of the search')}; known are {_list(known)}"
        )
    return Query(tuple(criteria), count, sort, position, tuple(applied), tuple(warnings), frozenset(included))


def _read_include(text: str, includes: Sequence[str]) -> set[str]:
    """Return the includes that a value names: `Type:parameter`, with its target or not, or `Type:*`."""
    source, _, parameter = text.partition(":")
    name = parameter.partition(":")[0]
    if name == "*" or text == "*":
        return {include for include in includes if source in ("*", include.partition(":")[0])}
    return {f"{source}:{name}"} & set(includes)


def _split_name(name: str) -> tuple[str, str]:
    """Split off the modifier; `patient:Patient.identifier` and `patient:identifier` are `patient.identifier`."""
    base, _, rest = name.partition(":")
    modifier, dot, chain = rest.partition(".")
    if dot and modifier[:1].isupper():
        return f"{base}.{chain}", ""
    if rest == "identifier":
        return f"{base}.identifier", ""
    return base, rest


def _read_criterion(parameter: SearchParameter, modifier: str, text: str) -> Criterion:
    name = parameter.name
    if not text:
        raise InvalidParameter(f"{name} has no value: give one or leave the parameter out", name)
    if modifier == "missing" and parameter.may_be_missing:
        if text not in ("true", "false"):
            raise InvalidParameter(f"{name}:missing is true or false, not {text[:20]!r}", name)
        return Criterion(name, (text,), modifier)
    values = split_values(text)
    if len(values) > MAX_VALUES:
        raise InvalidParameter(f"{name} has {len(values)} alternatives; at most {MAX_VALUES} are read", name)
    if modifier and modifier == parameter.target:
        values, modifier = tuple(f"{modifier}/{value}" for value in values), ""
    if modifier and modifier not in parameter.modifiers:
        raise InvalidParameter(f"{name} has no modifier {modifier[:40]!r} here", name)
    return Criterion(name, tuple(_read_value(parameter, value) for value in values), modifier)


def _read_value(parameter: SearchParameter, text: str) -> Value:
    if not text:
        raise InvalidParameter(f"{parameter.name} has an empty alternative", parameter.name)
    if parameter.type == "token":
        return read_token(parameter.name, text)
    if parameter.type == "date":
        return read_date(parameter.name, text)
    if parameter.type == "reference":
        return read_reference(parameter.name, text)
    return unescape(text)


def _read_count(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) < 1:
        raise InvalidParameter(f"_count is a number from 1 to {MAX_COUNT}, not {text[:20]!r}", "_count")
    return min(int(text), MAX_COUNT)


def _read_sort(text: str, sorts: Sequence[str]) -> tuple[str, ...]:
    wanted = tuple(text.split(","))
    unknown = [name for name in wanted if name not in sorts]
    if unknown:
        offered = f"known are {', '.join(sorts)}" if sorts else "the order of this resource is fixed"
        raise InvalidParameter(f"_sort {unknown[0][:40]!r} is not possible here; {offered}", "_sort")
    return wanted


def _list(known: Sequence[SearchParameter]) -> str:
    return ", ".join([*(parameter.name for parameter in known), "_count", "_sort", *REPRESENTATION])
