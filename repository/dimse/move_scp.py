"""C-MOVE to known systems, and C-GET on the association itself.

Standard: PS3.4 C.4.2, C.4.3
"""

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import build_context, evt
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext

from access.actor import Actor
from access.application_entities import entity_actor, find_entity
from repository.dimse.identifiers import read_wanted
from repository.dimse.planned import iterate, name_only, plan
from repository.dimse.status import CANCEL, NOT_AUTHORISED, PENDING, make_status
from repository.presentation_contexts import contexts_for
from repository.retrieve import StoredInstance

Answers = Iterator[Any]
NOWHERE = (None, None)


def move(event: Event, actor: Actor, levels: Sequence[str], trusted: ssl.SSLContext | None) -> Answers:
    """Send what is asked to the system of the Move Destination, as pynetdicom wants it: address, number, data sets.

    Both have to be permitted: who asks, and whose system receives.

    Raises
    ------
    InvalidIdentifier, UnrecordedAccess
    """
    entity = find_entity(str(event.move_destination))
    if not actor.may("read") or entity is None or not entity.host or not entity.port:
        yield NOWHERE
        return
    receiver = entity_actor(entity)
    wanted = read_wanted(event.identifier, levels)
    items = plan(wanted, actor, _reading(receiver))
    accepted: list[PresentationContext] = []

    def note_contexts(started: Event) -> None:
        accepted.extend(started.assoc.accepted_contexts)

    proposed = [build_context(sop_class, list(syntaxes)) for sop_class, syntaxes in contexts_for(items)]
    details: dict[str, Any] = {"contexts": proposed, "evt_handlers": [(evt.EVT_ACCEPTED, note_contexts)]}
    if entity.uses_tls:
        details["tls_args"] = (trusted or ssl.create_default_context(), entity.host)
    yield entity.host, entity.port, details
    yield len(items)
    yield from _send(event, items, accepted)


def get(event: Event, actor: Actor, levels: Sequence[str]) -> Answers:
    """Send what is asked on the association itself.

    Raises
    ------
    InvalidIdentifier, UnrecordedAccess
    """
    if not actor.may("read"):
        yield 1
        yield make_status(NOT_AUTHORISED, "this application entity may not retrieve"), None
        return
    items = plan(read_wanted(event.identifier, levels), actor)
    yield len(items)
    yield from _send(event, items, event.assoc.accepted_contexts)


def _send(event: Event, items: Sequence[StoredInstance], contexts: Sequence[PresentationContext]) -> Answers:
    unsent: list[str] = []
    for item, dataset, _ in iterate(items, _accepted_by(contexts)):
        if event.is_cancelled:
            yield make_status(CANCEL), _failed(unsent)
            return
        if dataset is None:
            unsent.append(item.sop_instance_uid)
        # One that only has a name cannot be sent: it is counted, and named among those that failed.
        yield make_status(PENDING), dataset if dataset is not None else name_only(item)


def _failed(uids: Sequence[str]) -> Dataset:
    failed = Dataset()
    failed.FailedSOPInstanceUIDList = list(uids)
    return failed


def _reading(actor: Actor) -> Actor:
    """Return the receiver as one that may read: where it may store only, its department decides all the same."""
    return replace(actor, permissions=actor.permissions | {"read"})


def _accepted_by(contexts: Sequence[PresentationContext]) -> dict[str, frozenset[str]]:
    """Return the transfer syntaxes that we may send each storage class in."""
    found: dict[str, set[str]] = {}
    for context in contexts:
        if context.as_scu:
            found.setdefault(str(context.abstract_syntax), set()).add(str(context.transfer_syntax[0]))
    return {sop_class: frozenset(syntaxes) for sop_class, syntaxes in found.items()}
