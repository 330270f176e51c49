"""Blocks: a patient closes what a provider or a unit holds to everyone outside it."""

from dataclasses import dataclass
from typing import Literal

from django.utils import timezone

from access.actor import Actor
from access.database import run_write
from access.models import CareUnit
from registry.models import Block, Patient
from registry.noted import (
    EndedEntry,
    InvalidEntry,
    note,
    refuse,
    require_date,
    require_right,
    require_text,
)

AskedBy = Literal["patient", "representative", "guardian"]


class GuardianBlock(InvalidEntry):
    """A guardian asks to block a child's data: the law does not let anyone block for a child."""


class RepeatedBlock(EndedEntry):
    """The same holder's data of the same period are blocked already."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose data are blocked: a provider's (outer block) or a unit's (inner block); exactly one key."""

    provider_id: int | None = None
    unit_id: int | None = None


def register_block(
    actor: Actor,
    patient: Patient,
    holder: Holder,
    *,
    data_from: str = "",
    data_to: str = "",
    is_silent: bool = False,
    is_absolute: bool = False,
    asked_by: AskedBy = "patient",
    door: str = "",
) -> Block:
    """Register a block of data that the actor's own provider holds.

    Parameters
    ----------
    data_from, data_to
        Dates of the studies (`YYYYMMDD`, both inclusive); empty for no limit.
    is_silent
        Its existence is not spoken of.
    is_absolute
        Neither a lift nor an emergency opens it.
    asked_by
        Who asks: the patient, or somebody the patient gave the power to. A guardian cannot.

    Raises
    ------
    MissingRight
        Without `register_block`, or for another provider's data.
    GuardianBlock, RepeatedBlock, InvalidEntry
    """
    require_right(actor, "register_block", "block_register", patient.pk, door=door)
    if asked_by == "guardian":
        raise GuardianBlock("a guardian cannot block a child's data")
    if asked_by not in ("patient", "representative"):
        raise InvalidEntry(f"a block is asked for by the patient or a representative, not {asked_by[:20]!r}")
    first, last = require_date(data_from, "data_from"), require_date(data_to, "data_to")
    if first and last and first > last:
        raise InvalidEntry(f"data_from {first} is after data_to {last}")
    _require_own_holder(actor, patient, holder, door)
    now = timezone.now()
    row = Block(
        patient=patient,
        provider_id=holder.provider_id,
        unit_id=holder.unit_id,
        data_from=first,
        data_to=last,
        is_silent=is_silent,
        is_absolute=is_absolute,
        valid_from=now,
        registered_by=actor.subject,
        registered_at=now,
    )

    def work() -> Block:
        row.pk = None
        _refuse_repetition(row)
        row.save(force_insert=True)
        note(actor, "block_register", patient.pk, "block", row, door=door, asked_by=asked_by)
        return row

    return run_write(work)


def cancel_block(actor: Actor, block: Block, *, reason: str, door: str = "") -> Block:
    """End a block for good: the patient took it back, or it was registered by mistake. It is never edited.

    Raises
    ------
    MissingRight
        Without `register_block`, or for another provider's data.
    EndedEntry
        It was cancelled before.
    InvalidEntry
        Without a reason.
    """
    require_right(actor, "register_block", "block_cancel", block.patient_id, door=door)
    stated = require_text(reason, "reason", least=3, most=400)
    if not is_of_provider(actor, block):
        refuse(actor, "block_cancel", block.patient_id, "the block is of another care provider", door=door)

    def work() -> Block:
        ended = Block.objects.filter(pk=block.pk, cancelled_at__isnull=True).update(
            cancelled_at=timezone.now(), cancelled_by=actor.subject, cancel_reason=stated
        )
        if not ended:
            raise EndedEntry("the block was cancelled before")
        note(actor, "block_cancel", block.patient_id, "block", block, door=door, stated_reason=stated)
        return Block.objects.get(pk=block.pk)

    return run_write(work)


def provider_of(block: Block) -> int:
    """Return the key of the provider whose data, or whose unit's data, a block closes."""
    if block.provider_id is not None:
        return block.provider_id
    units = CareUnit.objects.filter(pk=block.unit_id or 0)
    key: int = units.values_list("provider_id", flat=True).get()
    return key


def is_of_provider(actor: Actor, block: Block) -> bool:
    """Tell whether a block is of the actor's provider or of a unit of it."""
    return actor.scope.region_wide or actor.scope.provider_id == provider_of(block)


def _require_own_holder(actor: Actor, patient: Patient, holder: Holder, door: str) -> None:
    if (holder.provider_id is None) == (holder.unit_id is None):
        raise InvalidEntry("a block has one holder: a provider or a unit")
    provider_id = holder.provider_id
    if holder.unit_id is not None:
        found = CareUnit.objects.filter(pk=holder.unit_id).values_list("provider_id", flat=True)
        provider_id = found.first()
    if provider_id is None or not (actor.scope.region_wide or actor.scope.provider_id == provider_id):
        message = "a block is registered with the provider that holds the data; this is another one"
        refuse(actor, "block_register", patient.pk, message, door=door)


def _refuse_repetition(row: Block) -> None:
    same = Block.objects.filter(
        patient=row.patient_id,
        provider=row.provider_id,
        unit=row.unit_id,
        data_from=row.data_from,
        data_to=row.data_to,
        is_silent=row.is_silent,
        is_absolute=row.is_absolute,
        cancelled_at__isnull=True,
    )
    if same.exists():
        raise RepeatedBlock("the same data are blocked already")
