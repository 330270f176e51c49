"""Which studies an actor may see: every door takes its rows from here.

A list is a union of branches, each driven by one index of `Home`; a read of one study selects it by
key and asks `may_see`. Unknown and invisible are the same `UnknownStudy`.
"""

from dataclasses import dataclass
from functools import lru_cache

from django.db.models import Exists, OuterRef, Q, QuerySet

from access.actor import Actor
from access.prepared import Prepared, Slot, prepare
from registry.models import Home, Instance, RemovedInstance, Series, Study
from registry.removed import GONE


class UnknownStudy(LookupError):
    """No such study, or none that the actor may see: the same answer for both."""


class RemovedStudy(UnknownStudy):
    """It was there, in sight of the actor, and was deleted or rejected; also of a series or an instance."""


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
        found.append(Branch("unit__provider_id", scope.provider_id))
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
    RemovedStudy
        It was removed, and the actor might have seen it.
    UnknownStudy
        It does not exist or the actor may not see it.
    """
    found = branches(actor)
    rows = _study_by_uid(found).fetch(uid=study_instance_uid) if found else ()
    for pk, person_id in rows:
        return VisibleStudy(pk, study_instance_uid, person_id)
    raise explain_absence(actor, study_instance_uid)


def study_for(actor: Actor, study_instance_uid: str) -> Study:
    """Return one study.

    Raises
    ------
    RemovedStudy
        It was removed, and the actor might have seen it.
    UnknownStudy
        It does not exist or the actor may not see it.
    """
    study = Study.objects.filter(study_instance_uid=study_instance_uid).first()
    if study is None or not may_see(actor, study):
        raise explain_absence(actor, study_instance_uid)
    return study


def explain_absence(actor: Actor, study_instance_uid: str) -> UnknownStudy:
    """Return the error for a study that the actor cannot reach: removed for those who might have seen it, else unknown.

    A study with nothing left is at home nowhere; who might have seen it follows from its custodian.
    """
    rows = Study.objects.filter(study_instance_uid=study_instance_uid, number_of_study_related_instances=0)
    study = rows.select_related("custodian__unit").first()
    if study is not None and _might_have_seen(actor, study):
        return RemovedStudy("this study was removed")
    return UnknownStudy("no such study")


def explain_absence_in(
    study_id: int, series_instance_uid: str | None, sop_instance_uid: str | None = None
) -> UnknownStudy:
    """Return the error for a series or instance that a permitted study does not hold: removed or unknown."""
    if sop_instance_uid is not None:
        gone = RemovedInstance.objects.filter(GONE, series__study=study_id, sop_instance_uid=sop_instance_uid)
        if series_instance_uid is not None:
            gone = gone.filter(series__series_instance_uid=series_instance_uid)
        if gone.exists():
            return RemovedStudy("this instance was removed")
    elif Series.objects.filter(study=study_id, series_instance_uid=series_instance_uid).exists():
        return RemovedStudy("this series was removed")
    return UnknownStudy("no such series or instance in this study")


def may_see(actor: Actor, study: Study) -> bool:
    """Tell whether the actor may see the study; nobody sees one with nothing left in it."""
    found = branches(actor)
    if any(branch.column == "" for branch in found):
        return study.number_of_study_related_instances > 0
    return bool(found) and Home.objects.filter(visible_homes(actor), study=study).exists()


def series_of(study: Study, series_instance_uid: str | None = None) -> QuerySet[Series]:
    """Return the series of a study that was permitted, in order of number; those with something left in them."""
    rows = Series.objects.filter(study=study, number_of_series_related_instances__gt=0)
    if series_instance_uid is not None:
        rows = rows.filter(series_instance_uid=series_instance_uid)
    return rows.order_by("series_number", "pk")


def instances_of(study: Study) -> QuerySet[Instance]:
    """Return the instances of a study that was permitted."""
    return Instance.objects.filter(series__study=study)


def _might_have_seen(actor: Actor, study: Study) -> bool:
    scope, custodian = actor.scope, study.custodian
    if not actor.may("read"):
        return False
    if scope.region_wide or custodian is None:
        return scope.region_wide
    is_own_provider = not study.in_conflict and custodian.unit.provider_id == scope.provider_id
    return is_own_provider or custodian.pk == scope.department_id


def _homes_of(found: tuple[Branch, ...]) -> Q:
    condition = Q(pk__in=[])
    for branch in found:
        condition |= Q(**{branch.column: branch.value})
    return condition


def _studies_of(found: tuple[Branch, ...]) -> QuerySet[Study]:
    if not found:
        return Study.objects.none()
    if any(branch.column == "" for branch in found):
        return Study.objects.filter(number_of_study_related_instances__gt=0)
    # EXISTS, not IN: SQLite would collect every home of the provider before the first row.
    return Study.objects.filter(Exists(Home.objects.filter(_homes_of(found), study=OuterRef("pk"))))


@lru_cache(maxsize=1024)
def _study_by_uid(found: tuple[Branch, ...]) -> Prepared:
    return prepare(_studies_of(found).filter(study_instance_uid=Slot("uid")).values_list("pk", "person_id"))
