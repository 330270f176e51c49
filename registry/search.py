"""Search on the three levels: what an actor may list and what matches, newest first.

Studies are found first: for people by one query per branch of what they may see, each with its own
match, order and limit, driven by an index of `Home`, merged here. A search that names a patient, a UID or
an accession number selects by that key and then checks visibility. Series and instances are those of the
studies found. Nothing is ever counted.

Standard: PS3.4 C.2.2.2, PS3.18 10.6
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet

from access.actor import Actor
from registry.attributes import Level
from registry.matching import Match, make_condition, split_values
from registry.models import Instance, Series, Study
from registry.visibility import Branch, branches, visible_studies

_CHILDREN: dict[Level, type[Model]] = {"series": Series, "instance": Instance}
_DEPTH: dict[Level, int] = {"study": 0, "series": 1, "instance": 2}
_PATHS: dict[tuple[Level, Level], str] = {
    ("study", "study"): "",
    ("series", "series"): "",
    ("series", "study"): "study__",
    ("instance", "instance"): "",
    ("instance", "series"): "series__",
    ("instance", "study"): "series__study__",
}
"""From a level's model to the model of an attribute's level."""
_ORDER: dict[Level, tuple[str, ...]] = {
    "series": ("series_number", "pk"),
    "instance": ("series__series_number", "series__pk", "instance_number", "pk"),
}
_BLOBS: dict[Level, tuple[str, ...]] = {
    "series": ("study__fragment",),
    "instance": ("frame_table", "bulk_table", "series__fragment", "series__study__fragment"),
}
_KEYS = frozenset({"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber", "PatientID"})
_NAME_PREFIX_LENGTH = 3

Place = tuple[str, str, int]
"""Date, time and primary key of a study: its place in the list."""


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of the list: at most `limit` rows after the first `offset`."""

    limit: int
    offset: int = 0

    @property
    def end(self) -> int:
        """Where the page ends in the whole list."""
        return self.offset + self.limit


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Rows (Study, Series or Instance by level) in order; `more` says whether others follow."""

    rows: tuple[Any, ...]
    more: bool


def search(
    level: Level,
    matches: Sequence[Match],
    paging: Paging,
    actor: Actor,
    columns: Sequence[str] = (),
) -> SearchPage:
    """Return one page of what matches and the actor may see, newest study first, in a total order.

    Parameters
    ----------
    columns : sequence of str
        Columns of the level to read; all but the big ones, and the parents' rows, when empty.

    Raises
    ------
    UnreadableKeyValue
        A key's value has no form that its attribute matches.
    """
    wanted = [match for match in matches if not match.is_universal]
    # Each study found has at least one child that matches, so these hold the whole page of any level.
    studies = [place[-1] for place in _find_studies(wanted, paging.end + 1, actor)]
    if level == "study":
        return SearchPage(
            _read_studies(studies[paging.offset : paging.end], columns), len(studies) > paging.end
        )
    rows = _list_children(level, wanted, studies)
    if columns:
        rows = rows.only(*columns)
    else:
        rows = rows.select_related(_PATHS[level, "study"].removesuffix("__")).defer(*_BLOBS[level])
    page = list(rows[paging.offset : paging.end + 1])
    return SearchPage(tuple(page[: paging.limit]), len(page) > paging.limit)


def _find_studies(matches: list[Match], count: int, actor: Actor) -> list[Place]:
    """Return the first places of the studies that match, on any level, and that the actor may see."""
    found = branches(actor)
    if any(branch.column == "" for branch in found):
        return list(_list_studies(matches, Study.objects.all())[:count])
    if any(_selects_few(match) for match in matches):
        return list(_list_studies(matches, visible_studies(actor))[:count])
    return _merge([_list_homes(matches, branch)[:count] for branch in found], count)


def _selects_few(match: Match) -> bool:
    """Tell whether a key leads to few rows through an index of its own."""
    if match.attribute.keyword == "PatientName":
        prefix = match.value.split("*")[0].split("?")[0]
        return not match.fuzzy and len(prefix) >= _NAME_PREFIX_LENGTH
    return match.attribute.keyword in _KEYS and match.is_exact


def _list_studies(matches: list[Match], visible: QuerySet[Study]) -> QuerySet[Study, Place]:
    rows = visible.filter(_combine("study", matches)).order_by("-study_date", "-study_time", "-pk")
    return rows.values_list("study_date", "study_time", "pk")


def _list_homes(matches: list[Match], branch: Branch) -> QuerySet[Study, Place]:
    """List by one branch of `Home`; a study that is there several times comes once."""
    at_home = Q(**{f"homes__{branch.column}": branch.value})
    columns = ("homes__study_date", "homes__study_time", "homes__study_id")
    rows = Study.objects.filter(_combine("study", matches, home="homes__") & at_home)
    return rows.order_by(*(F(column).desc() for column in columns)).values_list(*columns).distinct()


def _merge(lists: Iterable[Iterable[Place]], count: int) -> list[Place]:
    """Merge branches into one list of distinct places, newest first."""
    return sorted({place for branch in lists for place in branch}, reverse=True)[:count]


def _read_studies(ids: list[int], columns: Sequence[str]) -> tuple[Study, ...]:
    rows = Study.objects.filter(pk__in=ids)
    by_id = {row.pk: row for row in (rows.only(*columns) if columns else rows)}
    return tuple(by_id[pk] for pk in ids if pk in by_id)


def _list_children(level: Level, matches: list[Match], studies: list[int]) -> QuerySet[Any]:
    """List what matches in these studies, by numbers within a study; missing numbers come last."""
    study = _PATHS[level, "study"]
    own = [match for match in matches if match.attribute.level != "study"]
    order = [F(f"{study}{column}").desc() for column in ("study_date", "study_time", "pk")]
    order += [F(name).asc(nulls_last=True) for name in _ORDER[level]]
    condition = _combine(level, own) & Q(**{f"{study}pk__in": studies})
    return _CHILDREN[level]._default_manager.filter(condition).order_by(*order)


def _combine(level: Level, matches: list[Match], home: str = "") -> Q:
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
            condition &= make_condition(match, _PATHS[level, match.attribute.level] + column)
    return condition & _match_below(level, below) if below else condition


def _match_modalities(match: Match, home: str) -> Q:
    """Match studies that hold a modality: by `Home`, which has a row for each, else by their series."""
    if home and match.is_exact:
        return Q(**{f"{home}modality__in": split_values(match)})
    return Q(Exists(Series.objects.filter(make_condition(match, "modality"), study=OuterRef("pk"))))


def _match_below(level: Level, matches: list[Match]) -> Q:
    """Match rows with one child that satisfies all keys of lower levels; UIDs select the parents first."""
    child: Level = max((match.attribute.level for match in matches), key=_DEPTH.__getitem__)
    path = _PATHS[child, level].removesuffix("__")
    children = _CHILDREN[child]._default_manager.filter(_combine(child, matches))
    if any(_selects_few(match) for match in matches):
        return Q(pk__in=children.values(path))
    return Q(Exists(children.filter(**{path: OuterRef("pk")})))
