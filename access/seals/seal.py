"""Close batches of settled rows: every few seconds, by the duties, never in a request."""

import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from access.models import AuditEvent, AuditSeal
from access.rows import insert
from access.seals import roots
from access.seals.canonical import COLUMNS, encode_row, format_time, merkle_root
from access.seals.keys import read_signing_key
from access.seals.settled import settled_event_id

MOST_EVENTS = 1000
SEAL_PREFIX = b"samsyn audit seal 1\n"
NO_SEAL = bytes(32)
"""What the first seal names as the one before it."""


def seal() -> int:
    """Seal what is settled and not sealed yet; returns how many events. Without a key nothing is sealed.

    May run twice, also at the same time: of two seals with one number the first stands.

    Raises
    ------
    UnusableSealingKey
        See `access.seals.keys`.
    SealsMissing
        The exported roots tell of seals that the database does not know: see `access.seals.roots`.
    """
    key = read_signing_key()
    if key is None:
        return 0
    exported = roots.read_last()  # before the database is asked: another process may seal in between
    last = AuditSeal.objects.order_by("-number").first()
    roots.check_not_behind(last, exported)
    until = settled_event_id()
    sealed = 0
    while rows := _rows_after(last.last_event_id if last else 0, until):
        row = _make_seal(key, last, rows)
        if not insert(row, unless_known=True):
            break  # another process has just closed the same batch
        last = row
        sealed += len(rows)
    roots.export()
    return sealed


def payload_of(row: AuditSeal) -> bytes:
    """Return what is signed of a seal."""
    told = [
        row.number,
        row.first_event_id,
        row.last_event_id,
        row.event_count,
        bytes(row.root).hex(),
        bytes(row.previous).hex(),
        format_time(row.sealed_at),
    ]
    return SEAL_PREFIX + json.dumps(told, separators=(",", ":")).encode("ascii")


def digest_of(row: AuditSeal) -> bytes:
    """Return the hash by which the next seal names this one; the signature is part of it."""
    return hashlib.sha256(payload_of(row) + bytes(row.signature)).digest()


def _rows_after(event_id: int, until: int) -> list[tuple[Any, ...]]:
    rows = AuditEvent.objects.filter(id__gt=event_id, id__lte=until).order_by("id")
    return list(rows.values_list(*COLUMNS)[:MOST_EVENTS])


def _make_seal(key: Ed25519PrivateKey, last: AuditSeal | None, rows: list[tuple[Any, ...]]) -> AuditSeal:
    row = AuditSeal(
        number=last.number + 1 if last else 1,
        # From the end of the batch before, whatever ids were never used: no row fits in between.
        first_event_id=last.last_event_id + 1 if last else 1,
        last_event_id=rows[-1][0],
        event_count=len(rows),
        root=merkle_root([encode_row(values) for values in rows]),
        previous=digest_of(last) if last else NO_SEAL,
        sealed_at=timezone.now(),
    )
    row.signature = key.sign(payload_of(row))
    return row
