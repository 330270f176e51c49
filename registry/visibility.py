"""Which studies an actor may see: every door takes its rows from here.

A list is a union of branches, each driven by one index of `Home`; a read of one study selects it by
key and asks `may_see`. Unknown and invisible are the same `UnknownStudy`.
"""

from dataclasses import dataclass
from functools import lru_cache

from django.db.models import Exists, OuterRef, Q, QuerySet

from access.actor import Actor
from access.prepared import Prepared, Slot, prepare
from registry.models import Home, Instance, Series, Study


class UnknownStudy(LookupError):
    """No such study, or none that the actor may see: the same answer for both."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One index-driven way to studies: equality on a column of Home, or everything.

    `column` is empty for region-wide systems: the branch is the study table itself.
    """

    column: str
    value: int | None


@dataclass(frozen=True, slots=True)
class VisibleStudy:
    """A study that was permitted: what a retrieve needs of its row."""

    pk: int
    study_instance_uid: str
    person_id: int


def branches(actor: Actor) -> tuple[Branch, ...]:
    """Return the branches whose union is all the actor may list."""
    scope = actor.scope
    if not actor.may("read"):
        return ()
    if scope.region_wide:
        return (Branch("", None),)
    found = []
    if scope.provider_id is not None:
        found.append(Branch("provider_id", scope.provider_id))
    if scope.department_id is not None:
        found.append(Branch("department_id", scope.department_id))
    return tuple(found)


def visible_homes(actor: Actor) -> Q:
    """Return the condition on Home rows that are visible to the actor (never for region-wide systems)."""
    return _homes_of(branches(actor))


def visible_studies(actor: Actor) -> QuerySet[Study]:
    """Return the studies the actor may see, for reads scoped by a key (patient, UID, accession number)."""
    return _studies_of(branches(actor))


def permitted_study(actor: Actor, study_instance_uid: str) -> VisibleStudy:
    """Return what a retrieve needs of one study: the row and the right in one query.

    Raises
    ------
    UnknownStudy
        It does not exist or the actor may not see it.
    """
    found = branches(actor)
    rows = _study_by_uid(found).fetch(uid=study_instance_uid) if found else ()
    for pk, person_id in rows:
        return VisibleStudy(pk, study_instance_uid, person_id)
    raise UnknownStudy("no such study")


def study_for(actor: Actor, study_instance_uid: str) -> Study:
    """Return one study.

    Raises
    ------
    UnknownStudy
        It does not exist or the actor may not see it.
    """
    study = Study.objects.filter(study_instance_uid=study_instance_uid).first()
    if study is None or not may_see(actor, study):
        raise UnknownStudy("no such study")
    return study


def may_see(actor: Actor, study: Study) -> bool:
    """Tell whether the actor may see the study."""
    found = branches(actor)
    if any(branch.column == "" for branch in found):
        return True
    return bool(found) and Home.objects.filter(visible_homes(actor), study=study).exists()


def series_of(study: Study, series_instance_uid: str | None = None) -> QuerySet[Series]:
    """Return the series of a study that was permitted, in order of number."""
    rows = Series.objects.filter(study=study)
    if series_instance_uid is not None:
        rows = rows.filter(series_instance_uid=series_instance_uid)
    return rows.order_by("series_number", "pk")


def instances_of(study: Study) -> QuerySet[Instance]:
    """Return the instances of a study that was permitted."""
    return Instance.objects.filter(series__study=study)


def _homes_of(found: tuple[Branch, ...]) -> Q:
    condition = Q(pk__in=[])
    for branch in found:
        condition |= Q(**{branch.column: branch.value})
    return condition


def _studies_of(found: tuple[Branch, ...]) -> QuerySet[Study]:
    if not found:
        return Study.objects.none()
    if any(branch.column == "" for branch in found):
        return Study.objects.all()
    # EXISTS, not IN: SQLite would collect every home of the provider before the first row.
    return Study.objects.filter(Exists(Home.objects.filter(_homes_of(found), study=OuterRef("pk"))))


@lru_cache(maxsize=1024)
def _study_by_uid(found: tuple[Branch, ...]) -> Prepared:
    return prepare(_studies_of(found).filter(study_instance_uid=Slot("uid")).values_list("pk", "person_id"))
