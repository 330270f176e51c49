"""The rows behind Consent resources: who may see which, in which order, and when each last changed.

A Consent with the id `consent-1`, `block-1` or `lift-1` is the row with that key. A silent block is spoken of to
nobody but those who keep the blocks of its holder, and to registers of the whole region.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from django.db.models import Prefetch
from django.utils import timezone

from access.actor import Actor
from access.models import CareProvider, CareUnit, User
from registry.models import Block, BlockLift, Consent, Patient
from registry.visibility import is_in_relation

Kind = Literal["block", "consent", "lift"]
SCOPE_WORD = "consent"
"""The scope of systems for all three."""
CODENAMES: dict[Kind, str] = {"consent": "grant_consent", "block": "register_block", "lift": "lift_block"}
_KEY = re.compile(r"(consent|block|lift)-([0-9]{1,18})")
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """One row with what its resource says of it; `lifts` are those of a block, oldest first."""

    kind: Kind
    row: Consent | Block | BlockLift
    now: datetime
    lifts: tuple[BlockLift, ...] = ()

    @property
    def id(self) -> str:
        """The id of the resource."""
        return f"{self.kind}-{self.row.pk}"

    @property
    def patient(self) -> Patient:
        """Whose it is."""
        return self.row.block.patient if isinstance(self.row, BlockLift) else self.row.patient

    @property
    def is_active(self) -> bool:
        """True until it is withdrawn, cancelled or over."""
        return all(moment > self.now for moment in ends_of(self.row))

    @property
    def changes(self) -> list[datetime]:
        """The moments at which the resource changed, oldest first; what will end is not among them."""
        rows = (self.row, *self.lifts)
        moments = [
            moment for row in rows for moment in (row.registered_at, *ends_of(row)) if moment <= self.now
        ]
        return sorted(moments) or [self.row.registered_at]


def may(actor: Actor, kind: Kind) -> bool:
    """Tell whether the actor keeps rows of a kind; of a system for a person, both must."""
    if actor.kind != "person":
        return actor.may(SCOPE_WORD) and (actor.on_behalf_of is None or may(actor.on_behalf_of, kind))
    return actor.may(CODENAMES[kind])


def may_read_any(actor: Actor) -> bool:
    """Tell whether the actor has anything to do with consents at all."""
    return any(may(actor, kind) for kind in CODENAMES)


def may_read_consents(actor: Actor, patient_id: int) -> bool:
    """Tell whether the actor may see what a patient decided: by permission, and people by taking part in the care.

    Who registers blocks does so for any patient that asks, without taking part in the care.
    """
    person = actor.on_behalf_of or actor
    if person.kind != "person" or may(actor, "block"):
        return may_read_any(actor)
    # Taking part in the care is a fact of the unit's: who asks for a consent need not be one who reads studies.
    asker = replace(person, permissions=person.permissions | {"read"})
    return may_read_any(actor) and is_in_relation(asker, patient_id)


def may_see(actor: Actor, row: Consent | Block) -> bool:
    """Tell whether the actor may see one row of a patient whose rows it may read.

    Blocks are for those who keep or lift them, of what their own provider holds: who else reads a patient's data
    learns of blocks where it reads, and where they are only in an emergency. Silent ones are for keepers alone.
    """
    if isinstance(row, Consent):
        return may(actor, "consent")
    if not may(actor, "block") and (row.is_silent or not may(actor, "lift")):
        return False
    holder = row.provider_id if row.unit is None else row.unit.provider_id
    return actor.scope.region_wide or holder == actor.scope.provider_id


def find_kept(actor: Actor, key: str, now: datetime | None = None) -> Kept | None:
    """Return the row with an id; None if there is none, or none that the actor may see."""
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    kept = next(iter(_read(found[1], int(found[2]), now or timezone.now())), None)
    if kept is None:
        return None
    shown = kept.row.block if isinstance(kept.row, BlockLift) else kept.row
    return kept if may_read_consents(actor, kept.patient.pk) and may_see(actor, shown) else None


def read_kept(kind: Kind, key: int) -> Kept:
    """Return a row that is there and may be seen, as it is now."""
    return next(_read(kind, key, timezone.now()))


def list_kept(
    actor: Actor, patients: Iterable[int] | None, after: tuple[str, int] | None, now: datetime
) -> Iterator[Kept]:
    """Yield blocks, then consents, by key, of these patients or of all, behind a place in that order.

    Lifts are in their blocks.
    """
    allowed = None if patients is None else [key for key in patients if may_read_consents(actor, key)]
    if allowed == []:
        return
    kind, last = after or ("block", 0)
    if kind == "block":
        yield from (kept for kept in _list_blocks(allowed, last, now) if _is_seen(actor, kept))
        last = 0
    yield from (kept for kept in _list_consents(allowed, last, now) if _is_seen(actor, kept))


def list_lifts(actor: Actor, block_id: int, now: datetime) -> list[Kept]:
    """Return the lifts of a block that the actor may see, oldest first."""
    block = find_kept(actor, f"block-{block_id}", now)
    return [] if block is None else [Kept("lift", lift, now) for lift in block.lifts]


def ends_of(row: Consent | Block | BlockLift) -> list[datetime]:
    """Return when a row ends, for each reason it has."""
    if isinstance(row, Consent):
        return [moment for moment in (row.withdrawn_at, row.valid_to) if moment]
    if isinstance(row, Block):
        return [row.cancelled_at] if row.cancelled_at else []
    return [moment for moment in (row.cancelled_at, row.valid_to) if moment]


def recipient_of(row: Consent) -> CareProvider | CareUnit | User:
    """Return whom a consent lets read."""
    found = row.recipient_provider or row.recipient_unit or row.recipient_user
    assert found is not None
    return found


def holder_of(row: Block) -> CareProvider | CareUnit:
    """Return whose data a block closes."""
    found = row.provider or row.unit
    assert found is not None
    return found


def _is_seen(actor: Actor, kept: Kept) -> bool:
    return not isinstance(kept.row, BlockLift) and may_see(actor, kept.row)


def _read(kind: str, key: int, now: datetime) -> Iterator[Kept]:
    if kind == "consent":
        rows = Consent.objects.filter(pk=key).select_related(*_OF_CONSENT)
        return (Kept("consent", row, now) for row in rows)
    if kind == "block":
        blocks = Block.objects.filter(pk=key).select_related(*_OF_BLOCK).prefetch_related(_LIFTS)
        return (Kept("block", block, now, _lifts_of(block)) for block in blocks)
    lifts = BlockLift.objects.filter(pk=key).select_related(
        "unit", "user", *(f"block__{name}" for name in _OF_BLOCK)
    )
    return (Kept("lift", lift, now) for lift in lifts)


_OF_CONSENT = ("patient", "recipient_provider", "recipient_unit__provider", "recipient_user")
_OF_BLOCK = ("patient", "provider", "unit__provider")
_LIFTS = Prefetch("lifts", BlockLift.objects.select_related("unit", "user").order_by("pk"))


def _lifts_of(block: Block) -> tuple[BlockLift, ...]:
    return tuple(block.lifts.all())


def _list_blocks(patients: list[int] | None, last: int, now: datetime) -> Iterator[Kept]:
    rows = Block.objects.select_related(*_OF_BLOCK).prefetch_related(_LIFTS).order_by("pk")
    if patients is not None:
        rows = rows.filter(patient__in=patients)
    while batch := list(rows.filter(pk__gt=last)[:_BATCH]):
        yield from (Kept("block", block, now, _lifts_of(block)) for block in batch)
        last = batch[-1].pk


def _list_consents(patients: list[int] | None, last: int, now: datetime) -> Iterator[Kept]:
    rows = Consent.objects.select_related(*_OF_CONSENT).order_by("pk")
    if patients is not None:
        rows = rows.filter(patient__in=patients)
    while batch := list(rows.filter(pk__gt=last)[:_BATCH]):
        yield from (Kept("consent", row, now) for row in batch)
        last = batch[-1].pk
