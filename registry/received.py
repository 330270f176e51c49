"""What a store hands to registration: a pack, its segments, its instances, and what became of each."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from registry.facts import InstanceFacts, SeriesFacts, StudyFacts
from registry.identity import Demographics


@dataclass(frozen=True, slots=True)
class ReceivedInstance:
    """One instance of a received pack; offsets and lengths are bytes, see `Instance`."""

    facts: InstanceFacts
    series_instance_uid: str
    transfer_syntax_uid: str
    offset: int
    length: int
    sha256: bytes
    pixel_offset: int | None
    frame_table: bytes | None
    bulk_table: bytes | None
    metadata_offset: int
    metadata_length: int


@dataclass(frozen=True, slots=True)
class ReceivedSegment:
    """The instances of one series in one pack, with their metadata document (zstd)."""

    facts: SeriesFacts
    metadata: bytes
    has_bulk_uris: bool
    instances: tuple[ReceivedInstance, ...]


@dataclass(frozen=True, slots=True)
class ReceivedPack:
    """What one request brought of one study, bytes durable under `key`.

    `study` is what its first instance says; `described` is how others of its instances describe the same
    patient differently, `strangers` counts instances that were refused because they name another patient. `client` is
    who brought it by name, `ae_title` the title by which it called, where it called by DIMSE.
    """

    key: str
    study: StudyFacts
    segments: tuple[ReceivedSegment, ...]
    received_at: datetime
    described: tuple[Demographics, ...] = ()
    strangers: int = 0
    client: str = ""
    ae_title: str = ""


class Outcome(Enum):
    """What became of one instance.

    `OTHER_BYTES` is known in the same series with another content; `FIRST_KEPT` is the same for a source that wants
    to be told so as a success with a warning.
    """

    @property
    def is_accepted(self) -> bool:
        """True if the sender is told that the instance is stored."""
        return self in (Outcome.STORED, Outcome.DUPLICATE, Outcome.FIRST_KEPT)

    STORED = "stored"
    DUPLICATE = "duplicate"
    OTHER_BYTES = "other bytes"
    OTHER_PATIENT = "other patient"
    NOT_CUSTODIAN = "not custodian"
    OTHER_SERIES = "other series"
    OTHER_STUDY = "other study"
    FIRST_KEPT = "first kept"
    REJECTED = "rejected"


CONTRADICTIONS = frozenset({Outcome.OTHER_BYTES, Outcome.OTHER_SERIES, Outcome.OTHER_STUDY})
"""What is known with another content: somebody has to look at it."""
