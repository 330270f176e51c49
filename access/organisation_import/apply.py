"""Comparing a tree with the rows that are there, and writing the difference: all of it or nothing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from django.db.models import Q
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.epochs import raise_access_epoch
from access.models import CareProvider, CareUnit, Department
from access.organisation_import.tree import LEVELS, Entry, InvalidTree, Level

Place = CareProvider | CareUnit | Department
Known = dict[str, tuple[Level, Place]]
COLUMNS = ("name", "valid_from", "valid_to")


@dataclass(frozen=True, slots=True)
class Change:
    """What is done with one provider, unit or department; `columns` are those that get another value."""

    what: Literal["create", "change", "end"]
    level: Level
    hsa_id: str
    name: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The changes, in the order in which they are written, and how much was as the file says already."""

    changes: tuple[Change, ...]
    unchanged: int


def import_tree(
    entries: tuple[Entry, ...], *, end_missing: bool = False, dry_run: bool = False, by: Actor | None = None
) -> Outcome:
    """Make the rows what the entries say.

    Parameters
    ----------
    end_missing
        End, from now on, what the file does not name of the providers that it names.
    dry_run
        Only tell what would be done.
    by
        Who does it, for the access log.

    Raises
    ------
    InvalidTree
        An entry contradicts the rows: an unknown parent, another level, another place. Nothing was written.
    """
    if dry_run:
        return _compare_and_write(entries, end_missing=end_missing, writes=False)

    def write() -> Outcome:
        outcome = _compare_and_write(entries, end_missing=end_missing, writes=True)
        if outcome.changes:
            raise_access_epoch()
            if by is not None:
                counts = {
                    what: sum(c.what == what for c in outcome.changes) for what in ("create", "change", "end")
                }
                audit.record(by, "organisation_import", detail=counts)
        return outcome

    return run_write(write)


def _compare_and_write(entries: tuple[Entry, ...], *, end_missing: bool, writes: bool) -> Outcome:
    now = timezone.now()
    known = _read_known()
    _check_places(entries, known)
    changes: list[Change] = []
    unchanged = 0
    for entry in sorted(entries, key=lambda entry: LEVELS.index(entry.level)):
        found = known.get(entry.hsa_id)
        row = found[1] if found else _make(entry, known)
        columns = _update(row, entry, now, is_new=found is None)
        known[entry.hsa_id] = (entry.level, row)
        if found is None or columns:
            changes.append(
                Change(
                    "change" if found else "create",
                    entry.level,
                    entry.hsa_id,
                    entry.name,
                    columns if found else (),
                )
            )
            if writes:
                row.save()
        else:
            unchanged += 1
    if end_missing:
        changes += _end_missing(entries, known, now, writes=writes)
    return Outcome(tuple(changes), unchanged)


def _read_known() -> Known:
    known: Known = {row.hsa_id: ("provider", row) for row in CareProvider.objects.all()}
    known |= {row.hsa_id: ("unit", row) for row in CareUnit.objects.select_related("provider")}
    known |= {row.hsa_id: ("department", row) for row in Department.objects.select_related("unit")}
    return known


def _check_places(entries: tuple[Entry, ...], known: Known) -> None:
    """Refuse entries that stand elsewhere than the file says: studies and blocks are tied to unit and provider."""
    in_file = {entry.hsa_id: entry.level for entry in entries}
    above = {level: LEVELS[number - 1] for number, level in enumerate(LEVELS) if number}
    faults = []
    for entry in entries:
        found = known.get(entry.hsa_id)
        if found and found[0] != entry.level:
            faults.append(f"{entry.where}: {entry.hsa_id} is a {found[0]} here, not a {entry.level}")
            continue
        if entry.level == "provider":
            continue
        parent_level = in_file.get(entry.parent) or (
            known[entry.parent][0] if entry.parent in known else None
        )
        if parent_level is None:
            faults.append(
                f"{entry.where}: the {above[entry.level]} {entry.parent} is neither in the file nor here"
            )
        elif parent_level != above[entry.level]:
            faults.append(
                f"{entry.where}: {entry.parent} is a {parent_level}; a {entry.level} needs a {above[entry.level]}"
            )
        elif found and _parent_of(found[1]) != entry.parent:
            faults.append(
                f"{entry.where}: {entry.hsa_id} belongs to {_parent_of(found[1])} here; what moves ends and begins"
                " anew under an HSA-id of its own"
            )
    if faults:
        raise InvalidTree(faults)


def _parent_of(row: Place) -> str:
    if isinstance(row, Department):
        return row.unit.hsa_id
    return row.provider.hsa_id if isinstance(row, CareUnit) else ""


def _make(entry: Entry, known: Known) -> Place:
    if entry.level == "provider":
        return CareProvider(hsa_id=entry.hsa_id)
    parent = known[entry.parent][1]
    if isinstance(parent, CareProvider):
        return CareUnit(hsa_id=entry.hsa_id, provider=parent)
    return Department(hsa_id=entry.hsa_id, unit=cast("CareUnit", parent))


def _update(row: Place, entry: Entry, now: datetime, *, is_new: bool) -> tuple[str, ...]:
    """Give the row the values of the entry; returns the columns that got another value."""
    before = [getattr(row, column) for column in COLUMNS]
    row.name = entry.name
    row.valid_from = entry.valid_from
    row.valid_to = _end_of(row, entry, now)
    after = [getattr(row, column) for column in COLUMNS]
    return tuple(
        column for column, old, new in zip(COLUMNS, before, after, strict=True) if is_new or old != new
    )


def _end_of(row: Place, entry: Entry, now: datetime) -> datetime | None:
    """Return when the row ends: one that has ended keeps the moment at which it did."""
    if not entry.has_ended or entry.valid_to is not None:
        return entry.valid_to
    return row.valid_to if row.valid_to is not None and row.valid_to <= now else now


def _end_missing(entries: tuple[Entry, ...], known: Known, now: datetime, *, writes: bool) -> list[Change]:
    """End what the file does not name; only below the providers that it names: others have files of their own."""
    named = {entry.hsa_id for entry in entries}
    providers = [entry.hsa_id for entry in entries if entry.level == "provider"]
    lasting = Q(valid_to__isnull=True) | Q(valid_to__gt=now)
    units = CareUnit.objects.filter(lasting, provider__hsa_id__in=providers)
    departments = Department.objects.filter(lasting, unit__provider__hsa_id__in=providers)
    missing: list[tuple[Level, CareUnit | Department]] = [
        *(("unit", row) for row in units if row.hsa_id not in named),
        *(("department", row) for row in departments if row.hsa_id not in named),
    ]
    for _, row in missing:
        if writes:
            row.valid_to = now
            row.save(update_fields=["valid_to"])
    return [Change("end", level, row.hsa_id, row.name, ("valid_to",)) for level, row in missing]
