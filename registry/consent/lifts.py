"""Lifts: a block is opened for a unit, or one person there, for at most seven days."""

from datetime import datetime, timedelta

from django.utils import timezone

from access.actor import Actor
from access.database import run_write
from access.models import CareUnit, User
from registry.models import Block, BlockLift, Study
from registry.noted import EndedEntry, InvalidEntry, note, refuse, require_end, require_right, require_text
from registry.notices import EMERGENCY_LIFT, tell_head

BASES = ("consent", "emergency")
LONGEST = timedelta(days=7)
LEAST_REASON_CHARACTERS = 10


class AbsoluteBlock(EndedEntry):
    """The block opens to nobody: it can only be cancelled, by the patient's wish."""


def lift_block(
    actor: Actor,
    block: Block,
    unit: CareUnit,
    *,
    basis: str,
    requested_by: str,
    reason: str,
    valid_to: datetime,
    user: User | None = None,
    door: str = "",
) -> BlockLift:
    """Open a block for a unit, or one person there.

    Parameters
    ----------
    basis
        `consent`: the patient agreed; only where the blocked data are kept. `emergency`: the patient cannot be
        asked; also by the unit that needs the data, for itself, and the head of the blocked unit is told.
    requested_by
        Who asked for it.
    valid_to
        At most seven days away.

    Raises
    ------
    MissingRight
        Without `lift_block`, or by consent and not on the custodian's side, or in an emergency for another unit.
    AbsoluteBlock, EndedEntry, InvalidEntry
    """
    require_right(actor, "lift_block", "lift", block.patient_id, door=door)
    now = timezone.now()
    if basis not in BASES:
        raise InvalidEntry(f"unknown basis {basis[:20]!r}; known are {', '.join(BASES)}")
    row = BlockLift(
        block=block,
        unit=unit,
        user=user,
        basis=basis,
        requested_by=require_text(requested_by, "requested_by", most=200),
        reason=require_text(reason, "reason", least=LEAST_REASON_CHARACTERS),
        valid_from=now,
        valid_to=require_end(valid_to, now, most=LONGEST),
        registered_by=actor.subject,
        registered_at=now,
    )
    _require_side(actor, row, door)

    def work() -> BlockLift:
        row.pk = None
        current = Block.objects.select_for_update().get(pk=block.pk)
        if current.cancelled_at is not None:
            raise EndedEntry("the block was cancelled: there is nothing to lift")
        if current.is_absolute:
            raise AbsoluteBlock("the block is absolute: nothing opens it but its cancellation")
        row.save(force_insert=True)
        note(
            actor,
            "lift",
            block.patient_id,
            "lift",
            row,
            door=door,
            block=f"block:{block.pk}",
            basis_of_lift=basis,
            stated_reason=row.reason,
            unit=unit.hsa_id,
            user=user.username if user else "",
        )
        if basis == "emergency":
            for unit_id in _units_of(current, unit.pk):
                tell_head(EMERGENCY_LIFT, unit_id, block.patient_id, f"lift:{row.pk}", now)
        return row

    return run_write(work)


def cancel_lift(actor: Actor, lift: BlockLift, *, door: str = "") -> BlockLift:
    """Close a block again before the lift ends.

    Raises
    ------
    MissingRight
        Without `lift_block`, or of a lift for another unit of another provider's block.
    EndedEntry
    """
    patient_id = lift.block.patient_id
    require_right(actor, "lift_block", "lift_cancel", patient_id, door=door)
    is_for_own = actor.scope.unit_id == lift.unit_id
    if not (is_for_own or _is_custodian(actor, lift.block)):
        refuse(actor, "lift_cancel", patient_id, "the lift is of another care provider", door=door)

    def work() -> BlockLift:
        now = timezone.now()
        rows = BlockLift.objects.filter(pk=lift.pk, cancelled_at__isnull=True, valid_to__gt=now)
        if not rows.update(cancelled_at=now):
            raise EndedEntry("the lift has ended")
        note(actor, "lift_cancel", patient_id, "lift", lift, door=door)
        return BlockLift.objects.get(pk=lift.pk)

    return run_write(work)


def _require_side(actor: Actor, lift: BlockLift, door: str) -> None:
    """Let by consent only the custodian's side lift; in an emergency also the unit that needs the data, for itself."""
    if _is_custodian(actor, lift.block):
        return
    if lift.basis == "emergency" and actor.kind == "person" and actor.scope.unit_id == lift.unit_id:
        return
    message = (
        "a block is lifted where the data are kept, or in an emergency by the unit that needs them for itself"
    )
    refuse(actor, "lift", lift.block.patient_id, message, door=door)


def _is_custodian(actor: Actor, block: Block) -> bool:
    if actor.scope.region_wide:
        return True
    if block.unit_id is not None:
        return actor.scope.unit_id == block.unit_id
    return actor.scope.provider_id == block.provider_id


def _units_of(block: Block, lifted_for: int) -> list[int]:
    """Return whose heads are told: of the unit that the lift is for, and of the units whose data it opens."""
    if block.unit_id is not None:
        return sorted({block.unit_id, lifted_for})
    studies = Study.objects.filter(person=block.patient_id, custodian__unit__provider=block.provider_id)
    holding: set[int] = set(studies.values_list("custodian__unit_id", flat=True))
    return sorted(holding | {lifted_for})
