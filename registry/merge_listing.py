"""Merges for those who keep identities: of patients of whom their own care provider keeps a study.

What was moved is told by table and number; of studies those of the own provider are named, for who has which studies
elsewhere is not theirs to know.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from access import audit
from access.actor import Actor, Scope
from registry.models import MovedRow, Patient, PatientIdentifier, PatientMerge, Study

KEEP = "keep_identity"
KINDS = ("merge", "link", "move")
STATES = ("stands", "undone")
MOST_A_PAGE = 500
MOST_NAMED = 1000


@dataclass(frozen=True, slots=True)
class MergeFilter:
    """Which merges; what is left out does not narrow."""

    kinds: tuple[str, ...] = ()
    state: str = ""
    made_since: datetime | None = None
    made_before: datetime | None = None
    patient_id: int | None = None


@dataclass(frozen=True, slots=True)
class MergePage:
    """A page, newest first, and where the next one begins."""

    rows: tuple[PatientMerge, ...]
    following: int | None


def keeper_of(actor: Actor, *, is_staff: bool) -> Actor:
    """Return who keeps identities: the actor; people of the staff with the reach of the region, only here."""
    if is_staff and actor.kind == "person":
        return replace(actor, scope=Scope(region_wide=True))
    return actor


def record_read(actor: Actor, row: PatientMerge, *, door: str) -> None:
    """Note in the log of both patients that a merge was looked at."""
    for patient_id in (row.survivor_id, row.subsumed_id):
        audit.record(actor, "merge_read", door=door, patient_id=patient_id, detail={"merge": row.pk})


def merges_kept_by(actor: Actor) -> QuerySet[PatientMerge]:
    """Return the merges that the actor may see and undo; staff with the reach of the region all of them.

    Nobody keeps what is about themselves.
    """
    rows = PatientMerge.objects.select_related("survivor", "subsumed")
    if (oneself := patients_of_oneself(actor)) is not None:
        rows = rows.exclude(Q(survivor__in=oneself) | Q(subsumed__in=oneself))
    if actor.scope.region_wide:
        return rows
    own = Study.objects.filter(custodian__unit__provider=actor.scope.provider_id or 0)
    theirs = own.filter(Q(person=OuterRef("survivor")) | Q(person=OuterRef("subsumed")))
    # A later merge took both sides' studies further: what this one moved still says whose they were.
    moved = MovedRow.objects.filter(
        Exists(own.filter(pk=OuterRef("row"))), merge=OuterRef("pk"), table=Study._meta.label
    )
    return rows.filter(Exists(theirs) | Exists(moved))


def patients_of_oneself(actor: Actor) -> QuerySet[Patient] | None:
    """Return the patients who are the person who asks; None where it is not known who that is."""
    if not actor.national_number:
        return None
    numbers = PatientIdentifier.objects.filter(value=actor.national_number, is_national=True)
    return Patient.objects.filter(identifiers__in=numbers)


def narrow(rows: QuerySet[PatientMerge], wanted: MergeFilter) -> QuerySet[PatientMerge]:
    """Leave what is wanted."""
    if wanted.kinds:
        rows = rows.filter(kind__in=wanted.kinds)
    if wanted.state:
        rows = rows.filter(undone_at__isnull=wanted.state == "stands")
    if wanted.made_since:
        rows = rows.filter(made_at__gte=wanted.made_since)
    if wanted.made_before:
        rows = rows.filter(made_at__lt=wanted.made_before)
    if wanted.patient_id is not None:
        family = _family_of(wanted.patient_id)
        rows = rows.filter(Q(survivor__in=family) | Q(subsumed__in=family))
    return rows


def _family_of(patient_id: int) -> set[int]:
    """Return a patient with all who were merged into it, over any number of steps."""
    family, newest = {patient_id}, {patient_id}
    while newest:
        newest = set(Patient.objects.filter(merged_into__in=newest).values_list("pk", flat=True)) - family
        family |= newest
    return family


def read_page(rows: QuerySet[PatientMerge], *, before: int | None = None, most: int = 100) -> MergePage:
    """Read one page; keys only go down, so none is seen twice."""
    if before is not None:
        rows = rows.filter(pk__lt=before)
    most = min(most, MOST_A_PAGE)
    found = list(rows.order_by("-pk")[: most + 1])
    return MergePage(tuple(found[:most]), found[most - 1].pk if len(found) > most else None)


def moved_numbers(merges: Iterable[PatientMerge]) -> dict[int, list[PatientIdentifier]]:
    """Return the numbers that each merge moved, with two queries."""
    label = PatientIdentifier._meta.label
    moved = MovedRow.objects.filter(merge__in=[row.pk for row in merges], table=label)
    pairs = list(moved.order_by("pk").values_list("merge", "row"))
    rows = PatientIdentifier.objects.in_bulk([row for _, row in pairs])
    found: dict[int, list[PatientIdentifier]] = {}
    for merge, row in pairs:
        if row in rows:
            found.setdefault(merge, []).append(rows[row])
    return found


def count_moved(row: PatientMerge) -> list[tuple[str, int]]:
    """Return how many rows of each table were moved."""
    counted = row.moved.values_list("table").annotate(rows=Count("pk")).order_by("table")
    return [(table, rows) for table, rows in counted]


def name_moved_studies(actor: Actor, row: PatientMerge) -> list[str]:
    """Return the UIDs of the studies that were moved and that the actor's provider keeps."""
    keys = row.moved.filter(table=Study._meta.label).values("row")
    studies = Study.objects.filter(pk__in=keys)
    if not actor.scope.region_wide:
        studies = studies.filter(custodian__unit__provider=actor.scope.provider_id or 0)
    uids = studies.order_by("pk").values_list("study_instance_uid", flat=True)
    return list(uids[:MOST_NAMED])
