"""Hold the log against its seals: every row, every link, every signature, and the roots that were exported."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from access.models import AuditEvent, AuditSeal
from access.retention import read_erasures
from access.seals import roots
from access.seals.canonical import COLUMNS, encode_row, merkle_root
from access.seals.keys import is_signed, read_public_keys
from access.seals.seal import NO_SEAL, digest_of, payload_of

ROWS_AT_ONCE = 5000


@dataclass(slots=True)
class Verification:
    """What was held against what, and each fault in words; a batch is named by the number of its seal."""

    seals: int = 0
    events: int = 0
    erased: int = 0
    unsealed: int = 0
    faults: list[str] = field(default_factory=list)


def verify(*, public_keys: Path | None = None, roots_file: Path | None = None) -> Verification:
    """Verify the whole log; it needs no secret.

    Parameters
    ----------
    public_keys, roots_file
        Copies that were kept elsewhere; by default the files of this installation.

    Raises
    ------
    UnusableSealingKey
        There are no public keys to verify with.
    """
    found = Verification()
    # What is sealed while this runs is left for the next time.
    seals = AuditSeal.objects.order_by("number")
    newest = seals.last()
    if newest is not None:
        _verify_chain(found, seals.filter(number__lte=newest.number), newest, public_keys)
    _compare_with_roots(found, newest, roots_file)
    last_event = newest.last_event_id if newest else 0
    found.unsealed = AuditEvent.objects.filter(id__gt=last_event).count()
    return found


def _verify_chain(found: Verification, seals: Any, newest: AuditSeal, public_keys: Path | None) -> None:
    keys = read_public_keys(public_keys)
    erasures = read_erasures(newest.last_event_id)
    rows = _Rows()
    before: AuditSeal | None = None
    for row in seals.iterator():
        found.seals += 1
        found.faults += _faults_of_link(before, row)
        if not is_signed(keys, bytes(row.signature), payload_of(row)):
            found.faults.append(f"seal {row.number}: the signature is not of a known key")
        leaves, strays = rows.take(row.first_event_id, row.last_event_id)
        if strays:
            found.faults.append(f"before seal {row.number}: {strays} events that no seal covers")
        if not leaves and any(erasure.covers(row) for erasure in erasures):
            found.erased += row.event_count
        else:
            found.events += len(leaves)
            found.faults += _faults_of_batch(row, leaves)
        before = row


def _faults_of_batch(row: AuditSeal, leaves: list[bytes]) -> Iterator[str]:
    batch = f"batch {row.number} (events {row.first_event_id}-{row.last_event_id})"
    if len(leaves) != row.event_count:
        yield f"{batch}: {row.event_count} events were sealed, {len(leaves)} are there"
    elif merkle_root(leaves) != bytes(row.root):
        yield f"{batch}: an event was changed"


def _faults_of_link(before: AuditSeal | None, row: AuditSeal) -> Iterator[str]:
    number = before.number + 1 if before else 1
    if row.number != number:
        yield f"seal {number}{f' to {row.number - 1}' if row.number - 1 > number else ''}: missing"
        return
    if bytes(row.previous) != (digest_of(before) if before else NO_SEAL):
        yield f"seal {row.number}: does not continue the seal before it"
    if row.first_event_id != (before.last_event_id + 1 if before else 1):
        yield f"seal {row.number}: begins at event {row.first_event_id}, not where the batch before it ends"


def _compare_with_roots(found: Verification, newest: AuditSeal | None, path: Path | None) -> None:
    last_number = newest.number if newest else 0
    missing: list[int] = []
    page: list[dict[str, Any]] = []

    def compare() -> None:
        rows = AuditSeal.objects.in_bulk([told["number"] for told in page], field_name="number")
        for told in page:
            row = rows.get(told["number"])
            if row is None and told["number"] > last_number:
                missing.append(told["number"])
            elif row is not None and roots.describe(row) != told:
                found.faults.append(f"seal {told['number']}: not the one that was exported")
        page.clear()

    try:
        for told in roots.read_lines(path):
            page.append(told)
            if len(page) == ROWS_AT_ONCE // 10:
                compare()
        compare()
    except ValueError as error:
        found.faults.append(str(error))
    if missing:
        found.faults.append(f"seals {missing[0]} to {missing[-1]} were exported and are not in the database")


class _Rows:
    """The log in the order of ids, a page at a time."""

    def __init__(self) -> None:
        self._page: list[tuple[Any, ...]] = []
        self._at = 0
        self._last_id: int | None = None
        self._is_over = False

    def take(self, first: int, last: int) -> tuple[list[bytes], int]:
        """Return the rows of one batch as bytes, and how many rows lay before it uncovered."""
        leaves, strays = [], 0
        while (values := self._peek()) is not None and values[0] <= last:
            self._at += 1
            if values[0] < first:
                strays += 1
            else:
                leaves.append(encode_row(values))
        return leaves, strays

    def _peek(self) -> tuple[Any, ...] | None:
        if self._at == len(self._page) and not self._is_over:
            rows = AuditEvent.objects.order_by("id").values_list(*COLUMNS)
            if self._last_id is not None:
                rows = rows.filter(id__gt=self._last_id)
            self._page, self._at = list(rows[:ROWS_AT_ONCE]), 0
            self._is_over = not self._page
            if self._page:
                self._last_id = self._page[-1][0]
        return self._page[self._at] if self._at < len(self._page) else None
