"""The filter of a subscription as fields, both ways: what several fields say has to hold at once.

A filter that says more than fields can (an alternative, a negation, two tests of a kind, a name with a comma) came by
another way and is kept as it is; the page shows it as its sentence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LISTS = (
    "modality_family",
    "body_region",
    "procedure",
    "performing_unit",
    "ordering_unit",
    "patient_class",
    "residence",
    "residence_area",
    "source_system",
    "care_relation",
)
"""Tests with values, by the field of the same name."""
TEXTS = {"residence": " ", "residence_area": ", ", "source_system": ", "}
"""Fields that are typed, with what stands between their values."""
FLAGS = ("emergency", "report_final")


@dataclass(frozen=True, slots=True)
class Fields:
    """What the fields say; a flag is "yes", "no" or empty."""

    values: Mapping[str, list[str]]
    flags: Mapping[str, str]
    takes_own: bool = False


def write_filter(fields: Fields) -> dict[str, Any]:
    """Write the filter that fields say."""
    tests: list[dict[str, Any]] = [{name: fields.values[name]} for name in LISTS if fields.values.get(name)]
    tests += [{name: fields.flags[name] == "yes"} for name in FLAGS if fields.flags.get(name)]
    own: dict[str, Any] = {"not_from_self": False} if fields.takes_own else {}
    if not tests:
        return own
    return (tests[0] if len(tests) == 1 else {"all": tests}) | own


def read_fields(filter_: Mapping[str, Any]) -> Fields | None:
    """Return what fields would say the filter; None where they cannot."""
    rest = dict(filter_)
    takes_own = rest.pop("not_from_self", True) is False
    tests = [rest] if rest else []
    if list(rest) == ["all"] and isinstance(rest["all"], list):
        tests = rest["all"]
    values: dict[str, list[str]] = {}
    flags: dict[str, str] = {}
    for test in tests:
        if not isinstance(test, dict) or len(test) != 1:
            return None
        ((name, value),) = test.items()
        if name in values or name in flags:
            return None
        if name in LISTS and isinstance(value, list) and not _is_cut_apart(name, value):
            values[name] = value
        elif name in FLAGS and isinstance(value, bool):
            flags[name] = "yes" if value else "no"
        else:
            return None
    return Fields(values, flags, takes_own)


def _is_cut_apart(name: str, values: list[Any]) -> bool:
    """Tell whether a field would read other values than it shows."""
    between = TEXTS.get(name, "").strip()
    return bool(between) and any(between in str(value) for value in values)
