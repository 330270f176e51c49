"""Rejection notes among what a request stores: found before its transaction, applied in it."""

from collections.abc import Iterable

import orjson

from access.actor import Actor
from registry.received import Outcome, ReceivedSegment
from registry.register import Registration
from registry.rejection_note import KEY_OBJECT_SELECTION, RejectionNote, read_rejection_note
from registry.remove import apply_note
from repository.metadata import decompress
from repository.open_packs import WrittenPack


def find_rejection_notes(written: Iterable[WrittenPack]) -> list[RejectionNote]:
    """Read the rejection notes that the packs hold; other objects cost a look at their SOP class."""
    return [note for pack in written for segment in pack.received.segments for note in _notes_of(segment)]


def apply_rejection_notes(
    notes: Iterable[RejectionNote], registrations: dict[str, Registration], actor: Actor, door: str
) -> None:
    """Apply the notes that were stored just now; runs in the transaction of the store, after all its instances.

    A note that was known already has had its effect.
    """
    for note in notes:
        outcomes = registrations[note.study_instance_uid].outcomes
        if outcomes.get(note.sop_instance_uid) is Outcome.STORED:
            apply_note(actor, note, door=door)


def _notes_of(segment: ReceivedSegment) -> list[RejectionNote]:
    key_objects = [i for i in segment.instances if i.facts.sop_class_uid == KEY_OBJECT_SELECTION]
    if not key_objects:
        return []
    document = decompress(segment.metadata)
    texts = (document[i.metadata_offset : i.metadata_offset + i.metadata_length] for i in key_objects)
    notes = (read_rejection_note(orjson.loads(text)) for text in texts)
    return [note for note in notes if note is not None]
