"""What a source of blocks and consents answers: pure dataclasses, organisations by HSA-id, people by HSA-id."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PatientNumber:
    """One number of a patient: what a source is asked for."""

    value: str
    issuer: str


@dataclass(frozen=True, slots=True)
class ForeignBlock:
    """A block that holds now; `unit_hsa_id` is empty for an outer block, of all that the provider holds.

    `data_from` and `data_to` are dates of studies (`YYYYMMDD`), empty for no limit.
    """

    id: str
    provider_hsa_id: str
    unit_hsa_id: str = ""
    data_from: str = ""
    data_to: str = ""
    is_silent: bool = False
    is_absolute: bool = False


@dataclass(frozen=True, slots=True)
class ForeignLift:
    """A lift that holds now: of the block `block_id`, for a unit or, with `user_hsa_id`, one person there."""

    id: str
    block_id: str
    unit_hsa_id: str
    valid_to: datetime
    user_hsa_id: str = ""


@dataclass(frozen=True, slots=True)
class ForeignConsent:
    """A consent that holds now, to one recipient: a provider, a unit or a person. Kinds as of `Consent`."""

    id: str
    valid_to: datetime
    kind: str = "consent"
    provider_hsa_id: str = ""
    unit_hsa_id: str = ""
    user_hsa_id: str = ""


@dataclass(frozen=True, slots=True)
class Restrictions:
    """All that a source knows about a patient and that holds now. Ids name the rows in the access log."""

    blocks: tuple[ForeignBlock, ...] = ()
    lifts: tuple[ForeignLift, ...] = ()
    consents: tuple[ForeignConsent, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceUnavailable:
    """A source did not answer, or not what it should: nobody knows what the patient blocked there."""

    reason: str


Answer = Restrictions | SourceUnavailable


class RestrictionSource(Protocol):
    """Something that knows blocks and consents of patients by their numbers."""

    def read(self, numbers: Sequence[PatientNumber], now: datetime) -> Answer:
        """Return what holds at this moment; never raises for a source that is away."""
        ...
