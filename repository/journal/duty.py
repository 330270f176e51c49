"""Keeping the journal up: the reader of the change feed that writes what packs cannot say."""

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import orjson
from django.utils import timezone

from access.database import run_write
from registry import changes
from registry.models import Change, ChangeCursor
from repository.journal.entries import describe_change, describe_organisation
from repository.journal.files import (
    PREFIX,
    BrokenJournal,
    JournalFile,
    read_chain,
    read_file,
    write_file,
)
from repository.journal.workflow import drop_repeated
from repository.models import JournalHead
from repository.objects.base import ObjectStore
from repository.objects.selection import open_store

READER = "journal"
CHANGES_AT_ONCE = 500
HEAD_ID = 1


class JournalIsAhead(RuntimeError):
    """The journal tells of what the database never knew: it was lost, or an older one was restored."""


class _OtherWriter(Exception):
    """Another process has written the next file: its file stands."""


def write_journal(now: datetime | None = None) -> int:
    """Write down what the change feed brought since last time; returns how many lines.

    May run twice, also at the same time: of two writers one finds the head moved, and removes its file.

    Raises
    ------
    JournalIsAhead
            An older database was restored; nothing is written before it was brought up to date.
    """
    now = now or timezone.now()
    objects = open_store()
    head = _read_head(now)
    written = 0
    while True:
        cursor = changes.cursor_of(READER)
        read = changes.read_since(cursor, CHANGES_AT_ONCE)
        entries = drop_repeated([entry for change in read for entry in describe_change(change)])
        organisation = describe_organisation()
        digest = hashlib.sha256(orjson.dumps(organisation)).hexdigest()
        if digest != head.organisation_sha256:
            entries.insert(0, organisation)
        position = read[-1].position or cursor if read else cursor
        if entries:
            file = write_file(objects, head.sequence + 1, head.sha256, entries, now)
            try:
                head = run_write(lambda: _advance(head, file, digest, cursor, position))  # noqa: B023 (at once)
            except _OtherWriter:
                objects.delete(file.key)
                return written
            written += len(entries)
        elif read:
            run_write(lambda: _move_cursor(cursor, position))  # noqa: B023 (called at once)
        if len(read) < CHANGES_AT_ONCE:
            return written


def find_advance(now: datetime | None = None) -> str | None:
    """Return the key of a journal file that tells of what this database never knew; None if there is none.

    Then the database was lost or an older one was restored: nothing may be swept before it is rebuilt.
    """
    objects = open_store()
    head = JournalHead.objects.first()
    if head is None:
        return next((stored.key for stored in objects.keys(PREFIX)), None)
    if (
        not head.sequence
    ):  # it began when there was no journal: what is there must be the file that it has not noted yet
        return _find_foreign(objects)
    for file in _files_after(objects, head, now or timezone.now()):
        if file.previous_sha256 == head.sha256 and not _is_known(file):
            return file.key
    return None


def verify_journal() -> list[str]:
    """Read the whole journal; returns what is wrong with it in words, nothing if all is well."""
    files, faults = read_chain(open_store())
    head = JournalHead.objects.first()
    if head is not None and head.sequence and head.sha256 not in {f.sha256 for f in files}:
        faults.append(f"the last file, {head.key}, is missing or was changed")
    ahead = find_advance()
    if ahead is not None:
        faults.append(f"{ahead} tells of what this database never knew: run manage.py rebuild_index")
    return faults


def continue_after(files: list[JournalFile]) -> None:
    """Let the next file continue the last of these: at the end of a rebuild, in its transaction."""
    if not files:
        return
    last = files[-1]
    JournalHead(
        pk=HEAD_ID,
        sequence=last.sequence,
        key=last.key,
        sha256=last.sha256,
        organisation_sha256="",
        written_at=last.written_at,
    ).save()


def _read_head(now: datetime) -> JournalHead:
    ahead = find_advance(now)
    if ahead is not None:
        raise JournalIsAhead(f"{ahead} tells of what this database never knew: run manage.py rebuild_index")
    fresh = JournalHead(pk=HEAD_ID, sequence=0, key="", sha256="", organisation_sha256="", written_at=now)
    JournalHead.objects.bulk_create([fresh], ignore_conflicts=True)
    ChangeCursor.objects.get_or_create(reader=READER)
    return JournalHead.objects.get()


def _find_foreign(objects: ObjectStore) -> str | None:
    """Return the first file that does not begin a journal of what this database knows."""
    for stored in objects.keys(PREFIX):
        try:
            file = read_file(objects, stored.key)
        except BrokenJournal:  # as below
            continue
        if file.previous_sha256 or not _is_known(file):
            return stored.key
    return None


def _files_after(objects: ObjectStore, head: JournalHead, now: datetime) -> Iterator[JournalFile]:
    """Yield the files that are younger than the head; keys are in the order of time."""
    for day in _days(head.written_at.date(), max(now, head.written_at).date()):
        for stored in objects.keys(f"{PREFIX}{day:%Y-%m-%d}/"):
            if stored.key > head.key:
                try:
                    yield read_file(objects, stored.key)
                except BrokenJournal:  # being written at this moment; verify_journal names those that stay so
                    continue


def _is_known(file: JournalFile) -> bool:
    """Tell whether all changes of a file are in this database: then it was written and not noted."""
    told = {entry["position"]: entry for entry in file.entries if "position" in entry}
    rows = Change.objects.filter(position__in=told).values_list(
        "position", "appended_at", "study_instance_uid"
    )
    known = {
        position
        for position, at, study in rows
        if (told[position]["at"], told[position]["study"]) == (at.isoformat(), study)
    }
    return known == told.keys()


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _advance(head: JournalHead, file: JournalFile, digest: str, cursor: int, position: int) -> JournalHead:
    moved = JournalHead.objects.filter(pk=head.pk, sequence=head.sequence).update(
        sequence=file.sequence,
        key=file.key,
        sha256=file.sha256,
        organisation_sha256=digest,
        written_at=file.written_at,
    )
    if not moved:
        raise _OtherWriter
    _move_cursor(cursor, position)
    return JournalHead.objects.get(pk=head.pk)


def _move_cursor(cursor: int, position: int) -> None:
    ChangeCursor.objects.filter(reader=READER, position=cursor).update(position=position)
