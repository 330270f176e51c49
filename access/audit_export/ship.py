"""Send the log to an audit repository: a reader with a cursor, never in a request, at least once."""

import json
import logging
import time
from collections.abc import Sequence

from django.conf import settings

from access.audit_export.dicom_message import write_message
from access.audit_export.labels import FindPatients, SourceLabel
from access.audit_export.syslog import (
    AUDIT_MESSAGE,
    SEAL_MESSAGE,
    Repository,
    RepositoryUnreachable,
    send,
    write_syslog,
)
from access.database import release
from access.models import AuditCursor, AuditEvent, AuditSeal
from access.seals import roots
from access.seals.settled import settled_event_id

log = logging.getLogger(__name__)

EVENTS = "syslog"
SEALS = "syslog-seals"
MOST_AT_ONCE = 500
WAITS_S = (5, 15, 60, 300)
"""How long nothing is tried after the first, second ... failure in a row."""


class _Pause:
    """When this process tries again: the cursor says what, so that another process may try earlier."""

    failures = 0
    until = 0.0


def ship(find_patients: FindPatients) -> int:
    """Send what the repository does not have yet; returns how many messages. Nothing without a repository.

    May run twice, also at the same time: then the repository gets some messages twice, with the same number.
    """
    repository = configured_repository()
    if repository is None or time.monotonic() < _Pause.until:
        return 0
    try:
        sent = _ship_events(repository, find_patients) + _ship_seals(repository)
    except RepositoryUnreachable as error:
        wait_s = WAITS_S[min(_Pause.failures, len(WAITS_S) - 1)]
        _Pause.failures += 1
        _Pause.until = time.monotonic() + wait_s
        log.warning("%s; tried again in %d s, nothing is lost", error, wait_s)
        return 0
    _Pause.failures = 0
    return sent


def configured_repository() -> Repository | None:
    """Return the repository of the settings; None if none is named."""
    if not settings.SYSLOG_HOST:
        return None
    return Repository(
        settings.SYSLOG_HOST,
        settings.SYSLOG_PORT,
        settings.SYSLOG_CA_FILE,
        settings.SYSLOG_CERTIFICATE_FILE,
        settings.SYSLOG_KEY_FILE,
    )


def source_label() -> SourceLabel:
    """Return how this system names itself."""
    return SourceLabel(settings.AUDIT_SOURCE_ID, settings.AUDIT_SITE_ID, settings.AUDIT_HOST_NAME)


def _ship_events(repository: Repository, find_patients: FindPatients) -> int:
    until = settled_event_id()
    sent = 0
    while True:
        at = _cursor(EVENTS)
        rows = list(AuditEvent.objects.filter(id__gt=at, id__lte=until).order_by("id")[:MOST_AT_ONCE])
        if not rows:
            return sent
        messages = _write_events(rows, find_patients)
        release()
        send(repository, messages)
        if not _advance(EVENTS, at, rows[-1].pk):
            return sent
        sent += len(rows)


def _write_events(rows: Sequence[AuditEvent], find_patients: FindPatients) -> list[bytes]:
    labels = find_patients({row.patient_id for row in rows if row.patient_id is not None})
    source = source_label()
    return [
        write_syslog(
            write_message(row, labels, source),
            recorded_at=row.recorded_at,
            message_id=AUDIT_MESSAGE,
            number=row.pk,
            host=source.host,
        )
        for row in rows
    ]


def _ship_seals(repository: Repository) -> int:
    """Send the seals over what was sent, so that the repository can hold the log against them."""
    sent = 0
    source = source_label()
    reached = _cursor(EVENTS)
    while True:
        at = _cursor(SEALS)
        seals = list(
            AuditSeal.objects.filter(number__gt=at, last_event_id__lte=reached).order_by("number")[
                :MOST_AT_ONCE
            ]
        )
        if not seals:
            return sent
        messages = [
            write_syslog(
                json.dumps(roots.describe(seal)).encode(),
                recorded_at=seal.sealed_at,
                message_id=SEAL_MESSAGE,
                number=seal.number,
                host=source.host,
            )
            for seal in seals
        ]
        release()
        send(repository, messages)
        if not _advance(SEALS, at, seals[-1].number):
            return sent
        sent += len(seals)


def _cursor(reader: str) -> int:
    row, _ = AuditCursor.objects.get_or_create(reader=reader)
    return row.event_id


def _advance(reader: str, old: int, new: int) -> bool:
    """Move a cursor; False if another process has moved it meanwhile."""
    return bool(AuditCursor.objects.filter(reader=reader, event_id=old).update(event_id=new))
