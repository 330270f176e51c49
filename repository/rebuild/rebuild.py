"""Rebuild: every pack without a row is read again, what the journal says holds, and studies come back closed.

What patients decided, who takes part in their care, who was found to be one person, what was registered and what
was recalled comes back in the order in which it happened, between the packs.

Into an empty database, or into one that was restored from a backup. It may be interrupted and run again: a pack
that has its row is done. Stop the server first.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from access import audit
from access.actor import Actor, Scope
from access.database import run_write
from registry import changes
from repository.damage import DAMAGES, note_damage
from repository.journal.duty import continue_after
from repository.journal.files import read_chain
from repository.models import Pack
from repository.objects.base import ObjectStore
from repository.objects.selection import open_store
from repository.packs.reader import PackReader
from repository.rebuild.index import condemn_dead, hide_dead, index_pack
from repository.rebuild.parse import ParsedPack, parse_pack
from repository.rebuild.timeline import Timeline, make_timeline, restore_rest, restore_until
from repository.rebuild.verdicts import Verdicts, read_verdicts, restore_organisation

KEYS_AT_ONCE = 500
PREFIX = "packs/"
OPERATOR = Actor(
    kind="system",
    subject="rebuild_index",
    scope=Scope(region_wide=True),
    permissions=frozenset({"store", "read"}),
    purpose="administration",
)

Job = tuple[str, frozenset[str]]
"""The key of a pack, and the instances in it that do not count."""


@dataclass(slots=True)
class RebuildReport:
    """What came back and what did not: `faults` are sentences."""

    packs: int = 0
    instances: int = 0
    condemned: int = 0
    hidden: int = 0
    departments: int = 0
    rows: int = 0
    identities: int = 0
    documents: int = 0
    recalls: int = 0
    workflow: int = 0
    faults: list[str] = field(default_factory=list)


def parse_job(job: Job) -> ParsedPack:
    """Read one pack; at the top of a module, so that another process can be told to do it."""
    key, left_out = job
    return parse_pack(open_store(), key, left_out)


def rebuild(
    parse_all: Callable[[Sequence[Job]], Iterable[ParsedPack]] | None = None,
    note_progress: Callable[[int, int], None] = lambda done, total: None,
) -> RebuildReport:
    """Rebuild what has no rows.

    Parameters
    ----------
    parse_all : callable, optional
        Reads packs, the results in order; several processes may share the work. One after the other when None.
    note_progress : callable, optional
        Told how many packs of how many are done.
    """
    objects = open_store()
    files, faults = read_chain(objects)
    verdicts = read_verdicts(files)
    report = RebuildReport(faults=faults)
    if verdicts.organisation is not None:
        organisation = verdicts.organisation
        report.departments = run_write(lambda: restore_organisation(organisation))
    report.hidden = hide_dead(verdicts)
    report.condemned = condemn_dead(verdicts.condemned)
    _revive(verdicts)
    timeline = make_timeline(verdicts.rows.values())
    todo = _list_todo(objects, report)
    for start in range(0, len(todo), KEYS_AT_ONCE):
        jobs = [
            (key, frozenset(verdicts.left_out.get(key, ()))) for key in todo[start : start + KEYS_AT_ONCE]
        ]
        for parsed in parse_all(jobs) if parse_all else map(parse_job, jobs):
            _take(parsed, verdicts, timeline, report)
            note_progress(report.packs, len(todo))
    report.faults += restore_rest(timeline)
    report.rows, report.identities, report.documents, report.recalls, report.workflow = (
        timeline.restored[sort] for sort in ("access", "identity", "document", "recall", "workflow")
    )
    run_write(lambda: continue_after(files))
    run_write(lambda: audit.record(OPERATOR, "rebuild_index", door="command", detail=_describe(report)))
    return report


def _take(parsed: ParsedPack, verdicts: Verdicts, timeline: Timeline, report: RebuildReport) -> None:
    report.packs += 1
    report.faults.extend(f"{parsed.key}: {fault}" for fault in parsed.faults)
    if parsed.received is not None:
        restore_until(timeline, parsed.received.received_at)
        report.instances += index_pack(parsed, verdicts)
        for fault in parsed.faults:
            note_damage(parsed.key, fault)


def _list_todo(objects: ObjectStore, report: RebuildReport) -> list[str]:
    """Return the keys of packs without a row in the order in which they were received."""
    found: list[tuple[datetime, str]] = []
    for keys in _chunks(stored.key for stored in objects.keys(PREFIX)):
        known = set(Pack.objects.filter(key__in=keys).values_list("key", flat=True))
        for key in keys:
            if key not in known:
                try:
                    with objects.open(key) as reader:
                        found.append((PackReader(reader).read_preamble().received_at, key))
                except DAMAGES as error:
                    report.faults.append(f"{key}: {error}")
    return [key for _, key in sorted(found)]


def _revive(verdicts: Verdicts) -> None:
    """Tell the journal of packs that it condemns, and that an older database still reads from: they count again."""
    for keys in _chunks(iter(sorted(verdicts.condemned))):
        live = list(Pack.objects.filter(key__in=keys, state=Pack.LIVE).values_list("key", flat=True))
        if live:
            run_write(partial(changes.append, "packs_revived", "", {"keys": live}))


def _chunks(keys: Iterator[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for key in keys:
        chunk.append(key)
        if len(chunk) == KEYS_AT_ONCE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _describe(report: RebuildReport) -> dict[str, object]:
    return {
        "packs": report.packs,
        "instances": report.instances,
        "hidden": report.hidden,
        "condemned": report.condemned,
        "rows": report.rows,
        "identities": report.identities,
        "documents": report.documents,
        "recalls": report.recalls,
        "workflow": report.workflow,
        "faults": len(report.faults),
    }
