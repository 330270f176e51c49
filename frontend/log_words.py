"""The words of the access log for people: what was done, through which door, with which outcome."""

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from access.audit_export.words import ACTIONS, choose
from frontend.reports import Tone

CARE_ACTIONS = (
    "read",
    "report_read",
    "search",
    "export",
    "choice",
    "reason_given",
    "relation_declare",
    "emergency_locate",
    "emergency_open",
    "emergency_close",
)
"""What the filter of a log offers."""


def name_action(action: str) -> str:
    """Say what was done."""
    others = _others()
    if action in others:
        return others[action]
    known = ACTIONS.get(action)
    return choose(known, get_language() or "sv") if known else action.replace("_", " ")


def name_door(door: str) -> str:
    """Say through which door."""
    doors = {
        "portal": _("Portal"),
        "login": _("Login"),
        "stow": "STOW-RS",
        "qido": "QIDO-RS",
        "wado": "WADO-RS",
        "wado_uri": "WADO-URI",
        "fhir": "FHIR",
        "dimse": "DIMSE",
        "hl7v2": "HL7 v2",
        "duty": _("The system itself"),
        "stow-rs": _("Delivery"),
    }
    return doors.get(door, door)


def name_outcome(outcome: str) -> tuple[str, Tone]:
    """Say how it ended, and in which tone."""
    outcomes: dict[str, tuple[str, Tone]] = {
        "success": (_("Done"), "ok"),
        "refused": (_("Refused"), "bad"),
        "failed": (_("Failed"), "warn"),
    }
    return outcomes.get(outcome, (outcome, "quiet"))


def _others() -> dict[str, str]:
    """What is said in other words than to the patient, or concerns no patient."""
    return {
        "search": _("Searched"),
        "login": _("Logged in"),
        "login_failed": _("Login refused"),
        "logout": _("Logged out"),
        "audit_read": _("Read the access log"),
        "review_draw": _("Drew a sample of the log"),
        "review_finding": _("Noted a finding"),
        "review_sign": _("Signed a log review"),
    }
