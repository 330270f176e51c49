"""Permissions in words: what each lets one do."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from access.models.organisation import PERMISSIONS


@dataclass(frozen=True, slots=True)
class PermissionWords:
    """A permission: its codename, its name and what it lets one do."""

    codename: str
    name: str
    text: str


def list_permissions() -> tuple[PermissionWords, ...]:
    """Return all permissions in the language of the page, in the order of PERMISSIONS."""
    words = _words()
    return tuple(PermissionWords(codename, *words[codename]) for codename in PERMISSIONS)


def name_permission(codename: str) -> str:
    """Return the name of a permission; one that is not known any more keeps its codename."""
    return _words().get(codename, (codename, ""))[0]


def _words() -> dict[str, tuple[str, str]]:
    return {
        "read_studies": (_("Read studies"), _("Read the studies that a decision permits")),
        "write_studies": (_("Store and remove"), _("Store, delete and reject studies of the department")),
        "report": (_("Report studies"), _("Write reports")),
        "manage_members": (_("Manage members"), _("Give and end assignments in the department")),
        "grant_consent": (_("Register consent"), _("Register consents and care relations")),
        "register_block": (_("Register blocks"), _("Register and cancel blocks")),
        "lift_block": (_("Lift blocks"), _("Lift a block for a time")),
        "review_access": (_("Review access"), _("Review the access log and emergency openings")),
        "break_glass": (_("Emergency access"), _("Open in an emergency")),
        "push": (_("Send studies"), _("Send studies to departments")),
        "replay": (_("Send again"), _("Send deliveries again")),
        "export": (_("Take out"), _("Take studies out of the system")),
        "map_codes": (_("Map codes"), _("Map the words of sources to the region's codes")),
        "keep_subscriptions": (_("Keep subscriptions"), _("Keep what the department subscribes to")),
        "keep_destinations": (
            _("Keep destinations"),
            _("Keep the department's destinations, and hold and release deliveries"),
        ),
        "keep_identity": (_("Keep identities"), _("See which patients were merged, and part them again")),
    }
