"""What somebody in a role sees and may do: worked out from the role alone, without reading as anybody."""

from dataclasses import dataclass

from django.utils import timezone

from access.agreements import readable_providers
from access.models import CareProvider, CareUnit, Department, Role
from access.rights import expand_codenames, read_process_units
from frontend.permissions import PermissionWords, list_permissions


@dataclass(frozen=True, slots=True)
class Preview:
    """A role in a department: its rights as the header asks for them, and whose studies can come into question."""

    role: Role
    department: Department
    rights: frozenset[str]
    given: tuple[PermissionWords, ...]
    missing: tuple[PermissionWords, ...]
    reads: bool
    process_units: tuple[str, ...]
    cohesive: tuple[str, ...]
    commissioners: tuple[str, ...]


def preview_role(role: Role, department: Department) -> Preview:
    """Describe a role in a department; no actor is made, so nothing of a patient can be read with it."""
    now = timezone.now()
    permissions = expand_codenames(frozenset(role.permissions))
    units, _ = read_process_units(department.unit, now)
    providers = readable_providers(department.unit.provider_id, now)
    words = list_permissions()
    return Preview(
        role=role,
        department=department,
        rights=permissions,
        given=tuple(item for item in words if item.codename in permissions),
        missing=tuple(item for item in words if item.codename not in permissions),
        reads="read" in permissions,
        process_units=_name(CareUnit, units),
        cohesive=_name(CareProvider, providers.cohesive),
        commissioners=_name(CareProvider, providers.commissioners),
    )


def _name(model: type[CareUnit] | type[CareProvider], keys: frozenset[int]) -> tuple[str, ...]:
    return tuple(model._default_manager.filter(pk__in=keys).order_by("name").values_list("name", flat=True))
