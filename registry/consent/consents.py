"""Consents: a patient lets a recipient read what other care providers hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from access.actor import Actor
from access.database import run_write
from access.models import Assignment, CareUnit
from registry.models import Consent, Patient
from registry.noted import (
    EndedEntry,
    InvalidEntry,
    note,
    refuse,
    require_end,
    require_right,
    require_text,
)

KINDS = ("consent", "incapacity", "guardian")
INCAPACITY_BASIS = ("assessed_by", "attitude", "necessary_care")
"""What must be said of a patient who cannot decide: who assessed it, what is known of the patient's own attitude
and how it was found out, and which care needs the data."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whom a consent is given: exactly one key."""

    provider_id: int | None = None
    unit_id: int | None = None
    user_id: int | None = None


def register_consent(
    actor: Actor,
    patient: Patient,
    recipient: Recipient,
    *,
    valid_to: datetime,
    kind: str = "consent",
    basis: Mapping[str, str] | None = None,
    text_version: str = "",
    door: str = "",
) -> Consent:
    """Register a consent to the actor's own provider, to a unit of it, or to a person who works there.

    Parameters
    ----------
    kind
        `consent`; `guardian` for one given by the holder of custody; `incapacity` for a patient who cannot
        decide, with the texts of `INCAPACITY_BASIS` as `basis`.
    text_version
        Which version of the text the patient was read; not needed for `incapacity`.

    Raises
    ------
    MissingRight
        Without `grant_consent`, or for a recipient of another provider.
    InvalidEntry
        The recipient is not one, the end is not ahead, the kind is unknown or something it needs is missing.
    """
    require_right(actor, "grant_consent", "consent_register", patient.pk, door=door)
    now = timezone.now()
    if kind not in KINDS:
        raise InvalidEntry(f"unknown kind of consent {kind[:20]!r}; known are {', '.join(KINDS)}")
    told = _check_basis(kind, basis or {})
    version = require_text(text_version, "text_version", least=0 if kind == "incapacity" else 1, most=20)
    _require_own_recipient(actor, patient, recipient, now, door)
    row = Consent(
        patient=patient,
        recipient_provider_id=recipient.provider_id,
        recipient_unit_id=recipient.unit_id,
        recipient_user_id=recipient.user_id,
        kind=kind,
        basis=told,
        text_version=version,
        valid_from=now,
        valid_to=require_end(valid_to, now),
        registered_by=actor.subject,
        registered_at=now,
    )

    def work() -> Consent:
        row.pk = None
        row.save(force_insert=True)
        note(
            actor, "consent_register", patient.pk, "consent", row, door=door, kind=kind, text_version=version
        )
        return row

    return run_write(work)


def withdraw_consent(actor: Actor, consent: Consent, *, door: str = "") -> Consent:
    """End a consent now. It closes more than it opens: every holder of `grant_consent` may do it for the patient.

    Raises
    ------
    MissingRight, EndedEntry
    """
    require_right(actor, "grant_consent", "consent_withdraw", consent.patient_id, door=door)

    def work() -> Consent:
        ended = Consent.objects.filter(pk=consent.pk, withdrawn_at__isnull=True).update(
            withdrawn_at=timezone.now(), withdrawn_by=actor.subject
        )
        if not ended:
            raise EndedEntry("the consent was withdrawn before")
        note(actor, "consent_withdraw", consent.patient_id, "consent", consent, door=door)
        return Consent.objects.get(pk=consent.pk)

    return run_write(work)


def _check_basis(kind: str, basis: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(basis) - set(INCAPACITY_BASIS))
    if unknown or (basis and kind != "incapacity"):
        raise InvalidEntry(f"a basis belongs to incapacity and consists of {', '.join(INCAPACITY_BASIS)}")
    if kind != "incapacity":
        return {}
    return {name: require_text(basis.get(name, ""), f"basis {name}", least=3) for name in INCAPACITY_BASIS}


def _require_own_recipient(
    actor: Actor, patient: Patient, recipient: Recipient, now: datetime, door: str
) -> None:
    keys = (recipient.provider_id, recipient.unit_id, recipient.user_id)
    if sum(key is not None for key in keys) != 1:
        raise InvalidEntry("a consent has one recipient: a provider, a unit or a person")
    if actor.scope.region_wide:
        return
    provider_id = actor.scope.provider_id
    if recipient.provider_id is not None:
        is_own = recipient.provider_id == provider_id
    elif recipient.unit_id is not None:
        is_own = CareUnit.objects.filter(pk=recipient.unit_id, provider=provider_id).exists()
    else:
        works = Assignment.objects.filter(user=recipient.user_id, department__unit__provider=provider_id)
        is_own = any(row.valid_to is None or row.valid_to > now for row in works)
    if not is_own:
        message = "a consent is registered where it is given: the recipient belongs to another care provider"
        refuse(actor, "consent_register", patient.pk, message, door=door)
