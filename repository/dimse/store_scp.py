"""C-STORE: into the same `store()` as STOW-RS, durable before the response.

Standard: PS3.4 B
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom.events import Event

from access.actor import Actor
from repository.dimse.status import DOES_NOT_MATCH, NOT_AUTHORISED, OUT_OF_RESOURCES, SUCCESS, make_status
from repository.store import store
from repository.store_result import OUT_OF_RESOURCES as NO_PLACE
from repository.store_result import PartResult

CHUNK_BYTES = 256 << 10
_AS_IN_STOW = frozenset({0x0111, 0x0122, 0x0124, 0xA700, 0xA900, 0xB000, 0xB007})
CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True, slots=True)
class FilePart:
    """A received instance that lies in a file."""

    path: Path

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the file."""
        with self.path.open("rb") as file:
            while block := file.read(CHUNK_BYTES):
                yield block


def store_one(event: Event, actor: Actor) -> Dataset:
    """Store the instance of a C-STORE request; returns the status of the response."""
    if not actor.may("store"):
        return make_status(NOT_AUTHORISED, "this application entity may not store")
    [result] = store([FilePart(Path(event.dataset_path))], actor, door="dimse")
    named = str(getattr(event.request, "AffectedSOPInstanceUID", ""))
    if result.failure_reason is None and result.sop_instance_uid != named:
        return make_status(DOES_NOT_MATCH, "the data set has another SOP Instance UID; it was stored")
    return status_of_part(result)


def status_of_part(result: PartResult) -> Dataset:
    """Return the status for what became of an instance: the reasons of STOW-RS are those of C-STORE."""
    if result.failure_reason is None:
        return make_status(result.warning_reason or SUCCESS, result.summary)
    comment = result.summary or result.comment
    if result.failure_reason == NO_PLACE:
        return make_status(OUT_OF_RESOURCES, comment)
    known = result.failure_reason in _AS_IN_STOW or result.failure_reason >> 12 in (0xA, 0xC)
    return make_status(result.failure_reason if known else CANNOT_UNDERSTAND, comment)
