"""An order becomes a row, a row is ended: by the registry's own functions, which check the right and keep the log."""

from dataclasses import replace

from access.actor import Actor
from access.models import CareProvider, CareUnit
from registry.consent.blocks import Holder, cancel_block, register_block
from registry.consent.consents import Recipient, register_consent, withdraw_consent
from registry.consent.lifts import cancel_lift, lift_block
from registry.fhir.consents.order import BlockOrder, ConsentOrder, LiftOrder, Order
from registry.fhir.consents.parts import refuse
from registry.fhir.consents.rows import CODENAMES, SCOPE_WORD, Kept, find_kept, holder_of, read_kept
from registry.models import Block, BlockLift, Consent, Patient

DOOR = "fhir"


def register(actor: Actor, patient: Patient, order: Order) -> Kept:
    """Register what an order asks for.

    Raises
    ------
    UnheldContent
        A lift of a block that is not there, or not in sight of the actor.
    MissingRight, InvalidEntry, EndedEntry
        As the registry's functions do.
    """
    if isinstance(order, ConsentOrder):
        return read_kept("consent", _register_consent(keeper_of(actor), patient, order).pk)
    if isinstance(order, BlockOrder):
        return read_kept("block", _register_block(keeper_of(actor), patient, order).pk)
    return read_kept("lift", _register_lift(actor, patient, order).pk)


def end(actor: Actor, kept: Kept, reason: str) -> None:
    """Withdraw a consent, cancel a block or a lift; what has ended stays as it is.

    Raises
    ------
    MissingRight, InvalidEntry
        As the registry's functions do.
    """
    if not kept.is_active:
        return
    keeper, row = keeper_of(actor), kept.row
    if isinstance(row, Consent):
        withdraw_consent(keeper, row, door=DOOR)
    elif isinstance(row, Block):
        if not reason:
            refuse(
                "a block is cancelled for a reason: send the extension urn:samsyn:reason", "Consent.extension"
            )
        cancel_block(keeper, row, reason=reason, door=DOOR)
    else:
        cancel_lift(keeper, row, door=DOOR)


def keeper_of(actor: Actor) -> Actor:
    """Return the actor with the rights of its scope; of a system for a person, with rights and place of that person."""
    if actor.kind == "person" or not actor.may(SCOPE_WORD):
        return actor
    person = actor.on_behalf_of
    rights = frozenset(CODENAMES.values())
    if person is None:
        return replace(actor, permissions=actor.permissions | rights)
    return replace(actor, permissions=actor.permissions | (rights & person.permissions), scope=person.scope)


def _register_consent(keeper: Actor, patient: Patient, order: ConsentOrder) -> Consent:
    party = order.recipient
    if isinstance(party, CareProvider):
        recipient = Recipient(provider_id=party.pk)
    elif isinstance(party, CareUnit):
        recipient = Recipient(unit_id=party.pk)
    else:
        recipient = Recipient(user_id=party.pk)
    return register_consent(
        keeper,
        patient,
        recipient,
        valid_to=order.valid_to,
        kind=order.kind,
        basis=order.basis,
        text_version=order.text_version,
        door=DOOR,
    )


def _register_block(keeper: Actor, patient: Patient, order: BlockOrder) -> Block:
    is_outer = isinstance(order.holder, CareProvider)
    return register_block(
        keeper,
        patient,
        Holder(provider_id=order.holder.pk) if is_outer else Holder(unit_id=order.holder.pk),
        data_from=order.data_from,
        data_to=order.data_to,
        is_silent=order.is_silent,
        is_absolute=order.is_absolute,
        asked_by=order.asked_by,
        door=DOOR,
    )


def _register_lift(actor: Actor, patient: Patient, order: LiftOrder) -> BlockLift:
    kept = find_kept(actor, f"block-{order.block_id}")
    if kept is None or not isinstance(kept.row, Block) or kept.patient != patient:
        refuse("there is no such block of this patient", "Consent.sourceReference")
    if order.holder is not None and order.holder != holder_of(kept.row):
        refuse("the block is of another holder", "Consent.provision.data")
    return lift_block(
        keeper_of(actor),
        kept.row,
        order.unit,
        basis=order.basis,
        requested_by=order.requested_by,
        reason=order.reason,
        valid_to=order.valid_to,
        user=order.user,
        door=DOOR,
    )
