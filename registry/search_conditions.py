"""The keys of a search as conditions on the rows of a level: on its own columns, its parents', and on what lies below.

Standard: PS3.4 C.2.2.2
"""

from functools import reduce
from operator import and_
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from registry.attributes import Level
from registry.conditions import make_condition, name_prefix, split_every, split_values
from registry.matching import Match
from registry.models import Instance, Series

_DEPTH: dict[Level, int] = {"study": 0, "series": 1, "instance": 2}
PATHS: dict[tuple[Level, Level], str] = {
    ("study", "study"): "",
    ("series", "series"): "",
    ("series", "study"): "study__",
    ("instance", "instance"): "",
    ("instance", "series"): "series__",
    ("instance", "study"): "series__study__",
}
"""From a level's model to the model of an attribute's level."""
_KEYS = frozenset({"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber", "PatientID"})
_NAME_PREFIX_LENGTH = 3


def selects_few(match: Match) -> bool:
    """Tell whether a key leads to few rows through an index of its own."""
    if match.attribute.keyword == "PatientName":
        return len(name_prefix(match)) >= _NAME_PREFIX_LENGTH
    return match.attribute.keyword in _KEYS and match.is_exact


def children_of(level: Level) -> QuerySet[Any]:
    """Return all series or instances; a series whose instances were all removed is none."""
    if level == "instance":
        return Instance.objects.all()
    return Series.objects.filter(number_of_series_related_instances__gt=0)


def combine(level: Level, matches: list[Match], home: str = "") -> Q:
    """Join all keys: those of the level and its parents on their columns, those below through EXISTS.

    `home` is the path of a branch: its dates, times and modalities are those of `Home`.
    """
    condition = Q()
    below = []
    for match in matches:
        column = match.attribute.column
        if match.attribute.matching == "modalities":
            condition &= _match_modalities(match, home)
        elif _DEPTH[match.attribute.level] > _DEPTH[level]:
            below.append(match)
        elif home and column in ("study_date", "study_time"):
            condition &= make_condition(match, home + column)
        else:
            condition &= make_condition(match, PATHS[level, match.attribute.level] + column)
    return condition & _match_below(level, below) if below else condition


def _match_modalities(match: Match, home: str) -> Q:
    """Match studies that hold a modality: by `Home`, which has a row for each, else by their series."""
    if match.asks_empty:
        return ~_hold_series(~Q(modality=""))
    if match.rules.every:
        conditions = [_hold_series(Q(modality=modality)) for modality in split_every(match)]
        return reduce(and_, conditions, Q())
    if home and match.is_exact:
        return Q(**{f"{home}modality__in": split_values(match)})
    return _hold_series(make_condition(match, "modality"))


def _hold_series(condition: Q) -> Q:
    return Q(Exists(children_of("series").filter(condition, study=OuterRef("pk"))))


def _match_below(level: Level, matches: list[Match]) -> Q:
    """Match rows with one child that satisfies all keys of lower levels; UIDs select the parents first."""
    child: Level = max((match.attribute.level for match in matches), key=_DEPTH.__getitem__)
    path = PATHS[child, level].removesuffix("__")
    children = children_of(child).filter(combine(child, matches))
    if any(selects_few(match) for match in matches):
        return Q(pk__in=children.values(path))
    return Q(Exists(children.filter(**{path: OuterRef("pk")})))
