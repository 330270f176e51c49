"""Search on the three levels: what an actor may list and what matches, newest first.

Studies are found first: by one query for each way that leads the actor to studies, each with its own match,
order and limit, driven by an index, merged here. A search that names a patient, a UID or an accession number
selects by that key and then filters by what is permitted. Series and instances are those of the
studies found. A page counts nothing beyond a few rows; `count_matches` does, on request.

Standard: PS3.4 C.2.2.2, PS3.18 10.6
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db.models import F, Q, QuerySet

from access.actor import Actor
from access.database import StatementTimeout, time_limit
from access.models import Department
from access.prepared import Prepared, PreparedList, lift, prepare
from registry.attributes import Level
from registry.foreign_rows import is_service_asked
from registry.matching import Match
from registry.models import Study
from registry.patient_keys import widen_to_person
from registry.permitted import WAYS, not_protected, open_ways, written
from registry.search_conditions import PATHS, children_of, combine, selects_few
from registry.terms import Shape, Terms, make_slots, values_of
from registry.visibility import decide_studies, reader_of, terms_of, visible_studies

_ORDER: dict[Level, tuple[str, ...]] = {
    "series": ("series_number", "pk"),
    "instance": ("series__series_number", "series__pk", "instance_number", "pk"),
}
_BLOBS: dict[Level, tuple[str, ...]] = {
    "series": ("study__fragment",),
    "instance": ("frame_table", "bulk_table", "series__fragment", "series__study__fragment"),
}
LOOK_AHEAD = 51
"""Rows that are looked for beyond short pages too, so that what remains of short lists is known exactly."""

TOO_BROAD = (
    "the search took longer than {seconds:g} s: give a range of dates, a PatientID, an AccessionNumber or the "
    "beginning of a name"
)

Place = tuple[str, str, int]
"""Date, time and primary key of a study: its place in the list."""


class SearchTooBroad(RuntimeError):
    """The database would need too long for the answer; the message says how to ask for less."""


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
class StudyFragment:
    """A study of a page of which only the answer was asked that was rendered at registration."""

    pk: int
    fragment: bytes


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Rows (Study, Series or Instance by level) in order, and how many at least follow them."""

    rows: tuple[Any, ...]
    remaining: int = 0
    is_all_known: bool = True

    @property
    def more(self) -> bool:
        """True if other rows follow."""
        return self.remaining > 0


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
        Columns of the level to read; all but the big ones, and the parents' rows, when empty. Of studies
        `("fragment",)` alone gives `StudyFragment` rows.

    Raises
    ------
    UnreadableKeyValue
        A key's value has no form that its attribute matches.
    SearchTooBroad
        The database was interrupted after SEARCH_TIMEOUT_S.
    """
    with _time_limit():
        return _search(level, matches, paging, actor, columns)


def count_matches(level: Level, matches: Sequence[Match], actor: Actor) -> int:
    """Count everything that matches and the actor may see: as slow as the rows are many.

    Raises
    ------
    UnreadableKeyValue, SearchTooBroad
        As `search` does.
    """
    with _time_limit():
        wanted = widen_to_person([match for match in matches if not match.is_universal])
        studies = visible_studies(actor).filter(combine("study", wanted))
        if _names_somebody(wanted) and not actor.scope.region_wide:
            studies = studies.filter(not_protected())
        if level == "study":
            return studies.count()
        own = [match for match in wanted if match.attribute.level != "study"]
        below = Q(**{f"{PATHS[level, 'study']}pk__in": studies.values("pk")})
        return children_of(level).filter(combine(level, own) & below).count()


@contextmanager
def _time_limit() -> Iterator[None]:
    seconds = settings.SEARCH_TIMEOUT_S
    try:
        with time_limit(seconds):
            yield
    except StatementTimeout as error:
        raise SearchTooBroad(TOO_BROAD.format(seconds=seconds)) from error


def _search(
    level: Level, matches: Sequence[Match], paging: Paging, actor: Actor, columns: Sequence[str]
) -> SearchPage:
    wanted = widen_to_person([match for match in matches if not match.is_universal])
    # Each study found has at least one child that matches, so these hold the whole page of any level.
    count = max(paging.end + 1, LOOK_AHEAD)
    studies = [place[-1] for place in _find_studies(wanted, count, actor)]
    if level == "study":
        page = _read_studies(studies[paging.offset : paging.end], columns)
        return SearchPage(page, max(len(studies) - paging.end, 0), len(studies) < count)
    rows = _list_children(level, wanted, studies)
    if columns:
        chosen = rows.only(*columns)
    else:
        chosen = rows.select_related(PATHS[level, "study"].removesuffix("__")).defer(*_BLOBS[level])
    page = tuple(chosen[paging.offset : paging.end + 1])
    remaining = 0
    if len(page) > paging.limit:
        remaining = len(rows.values_list("pk")[paging.end : count])
    return SearchPage(page[: paging.limit], remaining, paging.end + remaining < count)


def _find_studies(matches: list[Match], count: int, actor: Actor) -> list[Place]:
    """Return the first places of the studies that match, on any level, and that the actor may see."""
    reader = reader_of(actor)
    if reader is None:
        return []
    if reader.scope.region_wide:
        return _list_all(matches, count)
    terms = terms_of(reader)
    if any(selects_few(match) for match in matches):
        if is_service_asked():
            few = _list_all(matches, MOST_DECIDED)
            if len(few) < MOST_DECIDED:
                return _keep_permitted(actor, few, by_name=_names_somebody(matches))[:count]
        return _list_way("key", matches, count, terms)
    lists = [
        _list_way("unit", matches, count, replace(terms, listed_unit=unit))
        for unit in dict.fromkeys(terms.own_units)
    ]
    own = _merge(lists, count)
    # What others keep comes into a page that is full already only if it is as new as the last of it.
    since = own[-1][0] if len(own) == count else ""
    ways = _open_ways(terms)
    if "consent" in ways and since and _is_near(matches, since):
        ways[ways.index("consent")] = "recent"
    others = [_list_way(way, matches, count, terms, since) for way in ways]
    if is_service_asked():
        others = [_keep_permitted(actor, places) for places in others]
    return _merge([own, *others], count)


def _keep_permitted(actor: Actor, places: list[Place], *, by_name: bool = False) -> list[Place]:
    """Decide one by one: what a service of others says is in no table that a list could be filtered by.

    Of lists without a key, what the service closes is left out; what it alone opens is found by patient.
    """
    rows = Study.objects.filter(pk__in=[pk for *_, pk in places]).select_related("custodian__unit")
    decisions = decide_studies(actor, rows.defer("fragment"))
    kept = {pk for pk, d in decisions.items() if d.permits and not (by_name and "mask" in d.obligations)}
    return [place for place in places if place[-1] in kept]


def _list_all(matches: list[Match], count: int) -> list[Place]:
    condition = combine("study", matches)
    lifted = lift(condition)
    if lifted is None:
        return list(_list_studies(condition)[:count])
    query = _prepare_once(("all", lifted.shape, count), lambda: _list_studies(lifted.condition)[:count])
    return _fetch(query, lifted.values)


def _list_way(name: str, matches: list[Match], count: int, terms: Terms, since: str = "") -> list[Place]:
    """List along one way; its SQL is built once for all searches and actors that differ in their values only.

    `since` is the date of the oldest that matters, `YYYYMMDD`; empty for all.
    """
    way = WAYS[name]
    # Of modalities `Home` knows too, in a row for each.
    is_home = way.is_home or (
        name != "recent" and any(match.attribute.matching == "modalities" for match in matches)
    )
    list_rows = _list_homes if is_home else _list_studies
    by_name = _names_somebody(matches)
    home = "homes__" if is_home else ""
    condition = combine("study", matches, home=home)
    if since:
        # Before the dates that were asked for: of several lower bounds SQLite goes by the first.
        condition = Q(**{f"{home}study_date__gte": since}) & condition
    lifted = lift(condition)
    if lifted is None:
        return list(list_rows(condition & way.drive(terms) & written(name, terms, by_name=by_name))[:count])

    def build() -> QuerySet[Study, Place]:
        slots = make_slots(terms.shape)
        findable = not_protected() if by_name else Q()
        return list_rows(lifted.condition & way.drive(slots) & way.condition(slots) & findable)[:count]

    query = _prepare_once((name, by_name, is_home, lifted.shape, count, terms.shape), build)
    return _fetch(query, lifted.values | values_of(terms))


def _is_near(matches: list[Match], since: str) -> bool:
    """Tell whether the region has few studies from a date on, up to where the search ends: read from an index alone."""
    dated = [match for match in matches if match.attribute.column == "study_date"]
    lifted = lift(Q(study_date__gte=since) & combine("study", dated))
    if lifted is None:
        return False

    def build() -> QuerySet[Study, Any]:
        rows = Study.objects.filter(lifted.condition).order_by("-study_date", "-study_time", "-pk")
        return rows.values_list("study_date", "study_time", "pk")[MOST_RECENT : MOST_RECENT + 1]

    query = _prepare_once(("near", lifted.shape), build)
    return query is not None and not query.fetch(**lifted.values)


def _open_ways(terms: Terms) -> list[str]:
    """Return the ways besides the own units that lead anywhere at this moment: most lead nowhere."""
    names, query = _ways(terms.shape)
    rows = query.fetch(**values_of(terms))
    return [name for row in rows for name, is_open in zip(names, row, strict=True) if is_open]


@lru_cache(maxsize=64)
def _ways(shape: Shape) -> tuple[tuple[str, ...], Prepared]:
    found = open_ways(make_slots(shape))
    rows = Department.objects.filter(pk=make_slots(shape).department)  # one row, which is always there
    return tuple(found), prepare(rows.values_list(*found.values()))


def _prepare_once(key: tuple[Any, ...], build: Callable[[], QuerySet[Study, Place]]) -> Prepared | None:
    """Return the SQL of a list, kept by its shape; None if nothing can match."""
    query = _LISTS.get(key)
    if query is None:
        try:
            query = prepare(build())
        except EmptyResultSet:  # a list of values that is empty
            return None
        if len(_LISTS) >= MOST_LISTS:
            _LISTS.pop(next(iter(_LISTS)), None)
        _LISTS[key] = query
    return query


def _fetch(query: Prepared | None, values: dict[str, Any]) -> list[Place]:
    return [] if query is None else [(date, time, pk) for date, time, pk in query.fetch(**values)]


MOST_LISTS = 512
MOST_RECENT = 600
"""So many studies of the region are looked at one after the other rather than what hundreds of consents lead to."""
MOST_DECIDED = 500
"""So many studies of a search by key are decided one by one where a service of others has a say."""
_LISTS: dict[tuple[Any, ...], Prepared] = {}


def _names_somebody(matches: list[Match]) -> bool:
    """Tell whether a name is asked for: patients with a protected identity are not found by it."""
    return any(match.attribute.keyword == "PatientName" for match in matches)


def _list_studies(condition: Q) -> QuerySet[Study, Place]:
    rows = Study.objects.filter(number_of_study_related_instances__gt=0)
    rows = rows.filter(condition).order_by("-study_date", "-study_time", "-pk")
    return rows.values_list("study_date", "study_time", "pk")


def _list_homes(condition: Q) -> QuerySet[Study, Place]:
    """List by one branch of `Home`; a study that is there several times comes once."""
    columns = ("homes__study_date", "homes__study_time", "homes__study_id")
    rows = Study.objects.filter(condition)
    return rows.order_by(*(F(column).desc() for column in columns)).values_list(*columns).distinct()


def _merge(lists: Iterable[Iterable[Place]], count: int) -> list[Place]:
    """Merge branches into one list of distinct places, newest first."""
    return sorted({place for branch in lists for place in branch}, reverse=True)[:count]


_FRAGMENTS = PreparedList(lambda ids: Study.objects.filter(pk__in=ids).values_list("pk", "fragment"))


def _read_studies(ids: list[int], columns: Sequence[str]) -> tuple[Study | StudyFragment, ...]:
    if tuple(columns) == ("fragment",):
        fragments = dict(_FRAGMENTS.fetch(ids))
        return tuple(StudyFragment(pk, bytes(fragments[pk])) for pk in ids if pk in fragments)
    rows = Study.objects.filter(pk__in=ids)
    by_id = {row.pk: row for row in (rows.only(*columns) if columns else rows)}
    return tuple(by_id[pk] for pk in ids if pk in by_id)


def _list_children(level: Level, matches: list[Match], studies: list[int]) -> QuerySet[Any]:
    """List what matches in these studies, by numbers within a study; missing numbers come last."""
    study = PATHS[level, "study"]
    own = [match for match in matches if match.attribute.level != "study"]
    order = [F(f"{study}{column}").desc() for column in ("study_date", "study_time", "pk")]
    order += [F(name).asc(nulls_last=True) for name in _ORDER[level]]
    condition = combine(level, own) & Q(**{f"{study}pk__in": studies})
    return children_of(level).filter(condition).order_by(*order)
