"""The roles of the demo: what each of them may do in the department it is given for."""

from dataclasses import dataclass

from access.assignments import CARE
from access.models import Role


@dataclass(frozen=True, slots=True)
class DemoRole:
    """A role and what its assignments are for."""

    code: str
    name: str
    permissions: tuple[str, ...]
    purpose: str = CARE


ROLES = (
    DemoRole(
        "radiologist",
        "Radiolog",
        ("read_studies", "report", "grant_consent", "break_glass", "push", "export"),
    ),
    DemoRole("physician", "Läkare", ("read_studies", "grant_consent", "break_glass")),
    DemoRole("nurse", "Sjuksköterska", ("read_studies", "grant_consent")),
    DemoRole(
        "administrator",
        "Systemförvaltare",
        ("manage_members", "replay", "map_codes", "keep_subscriptions", "keep_destinations", "keep_identity"),
        "administration",
    ),
    DemoRole(
        "privacy-officer",
        "Dataskyddsansvarig",
        ("review_access", "register_block", "lift_block"),
        "administration",
    ),
    DemoRole(
        "head-of-unit",
        "Verksamhetschef",
        (
            "read_studies",
            "manage_members",
            "review_access",
            "grant_consent",
            "register_block",
            "lift_block",
            "keep_subscriptions",
        ),
    ),
)
BY_CODE = {role.code: role for role in ROLES}


def create_roles() -> None:
    """Create the roles that are missing; in the caller's transaction. Those that are there stay as they are."""
    for role in ROLES:
        Role.objects.get_or_create(
            code=role.code, defaults={"name": role.name, "permissions": list(role.permissions)}
        )
