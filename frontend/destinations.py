"""Destinations in words: what kind each is, and how it does."""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from frontend.reports import Tone
from registry.models import Destination
from repository.delivery.operating.said import translate_error
from repository.delivery.receivers.kinds import Kind, kind_of


@dataclass(frozen=True, slots=True)
class DestinationState:
    """How a destination does, in a word, and why in a sentence."""

    words: str
    tone: Tone
    why: str


def name_kind(kind: Kind | None) -> str:
    """Name a kind of destination."""
    names: dict[Kind, str] = {
        "stow": "STOW-RS",
        "dimse": "C-STORE",
        "hl7v2": "HL7 v2",
        "fhir": _("FHIR notification"),
        "folder": _("Folder"),
        "objects": _("Objects (S3)"),
        "worklist": _("Worklist here"),
    }
    return names.get(kind, _("unknown")) if kind else _("unknown")


def name_kind_of(row: Destination) -> str:
    """Name the kind that a destination's address says."""
    return name_kind(kind_of(row.url))


def describe_destination(row: Destination) -> DestinationState:
    """Say how a destination does, the strongest reason first."""
    if not row.active:
        return DestinationState(_("Switched off"), "quiet", _("Nothing is planned for it or sent."))
    if row.held_reason:
        why = f"{row.held_by}: {row.held_reason}" if row.held_by else row.held_reason
        return DestinationState(_("Held"), "warn", why)
    if row.maintenance_until is not None and row.maintenance_until > timezone.now():
        until = timezone.localtime(row.maintenance_until)
        return DestinationState(
            _("Maintenance"), "warn", _("until %(when)s") % {"when": f"{until:%Y-%m-%d %H:%M}"}
        )
    if row.breaker == Destination.OPEN:
        return DestinationState(_("Does not answer"), "bad", translate_error(row.last_error))
    if row.last_error:
        return DestinationState(_("Unsteady"), "warn", translate_error(row.last_error))
    return DestinationState(_("In order"), "ok", "")
