"""Who asks: pure dataclasses, made by authentication, read by everything else."""

from dataclasses import dataclass, field
from typing import Literal

ActorKind = Literal["person", "system", "duty"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What an actor may list by where it works.

    Parameters
    ----------
    department_id, unit_id, provider_id : int or None
        The active department and the units above it; None for a region-wide system.
    process_unit_ids : frozenset of int
        Units of the same provider that share a care process with `unit_id`.
    region_wide : bool
        True for acceptance and migration tools only.
    """

    department_id: int | None = None
    unit_id: int | None = None
    provider_id: int | None = None
    process_unit_ids: frozenset[int] = frozenset()
    region_wide: bool = False


@dataclass(frozen=True, slots=True)
class Actor:
    """A person under one active assignment, or a system.

    `subject` is stable and safe for logs (user name or client name); `permissions` are the words
    store, read, delete for systems and the codenames of the assignment's role for people.

    Parameters
    ----------
    national_number : str
        The person's own, 12 digits: nobody opens their own record.
    on_behalf_of : Actor or None
        The person for whom a system asks: what is permitted to both is permitted.
    ae_title : str
        The title by which a DICOM system called; a client may have several.
    """

    kind: ActorKind
    subject: str
    scope: Scope
    permissions: frozenset[str]
    subject_id: int | None = None
    assignment_id: int | None = None
    department_hsa_id: str = ""
    purpose: str = "care"
    address: str = ""
    role: str = ""
    care_unit_hsa_id: str = ""
    national_number: str = field(default="", repr=False)
    on_behalf_of: "Actor | None" = None
    ae_title: str = ""

    def may(self, permission: str) -> bool:
        """Tell whether the actor holds the permission word."""
        return permission in self.permissions
