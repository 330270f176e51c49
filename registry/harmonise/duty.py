"""Write the values of studies: of those that fell quiet, and of all that an older table decided.

A reader of the change feed, so that a store never waits for it. A study whose values change later gets a change
`harmonised` of its own, for those who publish them.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from django.db.models import F
from django.utils import timezone

from access.database import run_write
from registry import changes
from registry.harmonise.decide import HarmonisedValues, Tables, Word, harmonise
from registry.harmonise.facts import read_facts, values_of
from registry.harmonise.propose import propose
from registry.harmonise.tables import read_tables
from registry.models import Change, ChangeCursor, Harmonised, Study, UnmappedWord

READER, PLANNED, REACHED = "harmonise", "harmonise-tables", "harmonise-study"
CHUNK = 200
BATCHES_AT_ONCE = 25
KINDS = ("study_quiet", "instances_removed", "instances_restored", "instances_replaced")
VALUES = (
    "version", "modality_family", "body_regions", "laterality", "procedure_code", "procedure_code_scheme",
    "display_sv", "display_en", "basis", "made_at",
)  # fmt: skip


class _OtherReader(Exception):
    """Another reader has moved the cursor: its work stands, ours is rolled back."""


def harmonise_studies() -> int:
    """Write values of what the feed brought, then of a part of what older tables decided; returns how many studies."""
    ChangeCursor.objects.get_or_create(reader=READER)
    done = 0
    while read := changes.read_since(cursor := changes.cursor_of(READER), CHUNK):
        try:
            done += run_write(lambda: _read_chunk(cursor, read))
        except _OtherReader:
            continue
    return done + sum(islice(iter(replan_batch, 0), BATCHES_AT_ONCE))


def replan_batch(limit: int = CHUNK) -> int:
    """Decide anew a batch of what older tables decided or nobody has; returns how many were looked at, 0 at the end.

    Goes through all studies once for each version of the tables, by key; a study that is not quiet yet comes later.
    """
    tables = read_tables()
    planned = changes.cursor_of(PLANNED)
    start = changes.cursor_of(REACHED) if planned == tables.version else 0
    rows = Study.objects.filter(pk__gt=start).order_by("pk")
    found = list(rows.values_list("pk", "quiet_due_at", "number_of_study_related_instances")[:limit])
    if not found and planned == tables.version:
        return 0
    keys = [pk for pk, due_at, instances in found if due_at is None and instances]

    def write() -> None:
        changes.save_cursor(PLANNED, tables.version)
        changes.save_cursor(REACHED, found[-1][0] if found else start)
        write_values(keys, tables)

    run_write(write)
    return len(found)


def write_values(keys: Sequence[int], tables: Tables) -> None:
    """Decide and write the values of studies; call it in a transaction."""
    known = Harmonised.objects.in_bulk(keys)
    uids = dict(Study.objects.filter(pk__in=keys).values_list("pk", "study_instance_uid"))
    now = timezone.now()
    rows: list[Harmonised] = []
    for pk, facts in read_facts(keys).items():
        values = harmonise(facts, tables)
        row = known.get(pk)
        if row is None and facts.department_id is not None:
            for word in values.unmapped:
                _queue(facts.department_id, word, values, tables)
        if row is not None and values_of(row) != replace(values, unmapped=()):
            changes.append("harmonised", uids[pk])
        rows.append(_row(pk, values, tables.version, now))
    Harmonised.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["study"], update_fields=list(VALUES)
    )


def _read_chunk(cursor: int, read: list[Change]) -> int:
    # Moving the cursor first makes it the lock, as in planning deliveries.
    if not ChangeCursor.objects.filter(reader=READER, position=cursor).update(position=read[-1].position):
        raise _OtherReader
    uids = {change.study_instance_uid for change in read if change.kind in KINDS}
    keys = list(Study.objects.filter(study_instance_uid__in=uids).order_by("pk").values_list("pk", flat=True))
    if keys:
        write_values(keys, read_tables())
    return len(keys)


def _row(pk: int, values: HarmonisedValues, version: int, now: datetime) -> Harmonised:
    return Harmonised(
        study_id=pk,
        version=version,
        modality_family=values.modality_family,
        body_regions=list(values.body_regions),
        laterality=values.laterality,
        procedure_code=values.procedure_code,
        procedure_code_scheme=values.procedure_code_scheme,
        display_sv=values.display_sv[:200],
        display_en=values.display_en[:200],
        basis=values.basis,
        made_at=now,
    )


def _queue(department_id: int, word: Word, values: HarmonisedValues, tables: Tables) -> None:
    """Count a word that nothing understood; one that was settled and comes again is open again."""
    now = timezone.now()
    row, _ = UnmappedWord.objects.get_or_create(
        department_id=department_id,
        kind=word.kind,
        scheme=word.scheme,
        value=word.folded,
        defaults={"original": word.value[:400], "first_seen_at": now, "last_seen_at": now},
    )
    UnmappedWord.objects.filter(pk=row.pk).update(
        studies=F("studies") + 1, last_seen_at=now, settled_at=None, proposal=propose(word, values, tables)
    )
