"""What stands beside a patient's name on every clinical page: part in the care, consent, marks, an open emergency."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from access.actor import Actor
from frontend.people import Banner, read_banner
from registry.access_facts import own_units_of
from registry.access_rows import Entry, PatientRecord, read_record
from registry.foreign_rows import add_foreign
from registry.models import Patient, PatientFlag


@dataclass(frozen=True, slots=True)
class Lasting:
    """Something that holds: in words, and until when (None: no end)."""

    words: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Opening:
    """The emergency opening under which the person reads."""

    pk: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class CareState:
    """What holds now between a person under an assignment and a patient."""

    relation: Lasting | None
    consent: Lasting | None
    opening: Opening | None
    is_protected: bool
    are_blocks_known: bool


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a clinical page: the patient, and what holds."""

    banner: Banner
    care: CareState


def read_heading(actor: Actor, patient: Patient) -> Heading:
    """Read the head of a clinical page; two queries."""
    return Heading(read_banner(patient), read_care_state(actor, patient.pk))


def read_care_state(actor: Actor, patient_id: int) -> CareState:
    """Read what holds now; one query."""
    now = timezone.now()
    record = add_foreign(read_record(actor, patient_id, now), patient_id, now)
    own_units = own_units_of(actor)
    opening = _longest(record.of("opening"))
    return CareState(
        relation=_describe(_longest(e for e in record.of("relation") if e.one in own_units), _sources()),
        consent=_last_day(_describe(_longest(_consents_for(actor, record)), _kinds())),
        opening=Opening(opening.pk, opening.until) if opening else None,
        is_protected=any(entry.text.startswith("protected") for entry in record.of("flag")),
        are_blocks_known=record.are_blocks_known,
    )


def protected_among(patient_ids: Iterable[int]) -> frozenset[int]:
    """Return which patients have a protected identity; one query."""
    rows = PatientFlag.objects.filter(
        patient__in=list(patient_ids), kind__startswith="protected", ended_at__isnull=True
    )
    return frozenset(rows.values_list("patient_id", flat=True))


def _consents_for(actor: Actor, record: PatientRecord) -> Iterable[Entry]:
    scope = actor.scope
    for entry in record.of("consent"):
        is_for_person = entry.mark and entry.mark == actor.subject_id
        if entry.one == scope.provider_id or entry.other == scope.unit_id or is_for_person:
            yield entry


def _longest(entries: Iterable[Entry]) -> Entry | None:
    return max(entries, key=lambda entry: (entry.until is None, entry.until or entry.since), default=None)


def _describe(entry: Entry | None, words: dict[str, str]) -> Lasting | None:
    return Lasting(words.get(entry.text, ""), entry.until) if entry else None


def end_as_read(moment: datetime) -> datetime:
    """Return the last minute of the day for what ends at midnight: people name the day that is still included."""
    local = timezone.localtime(moment)
    return moment - timedelta(minutes=1) if (local.hour, local.minute) == (0, 0) else moment


def _last_day(consent: Lasting | None) -> Lasting | None:
    if consent is None or consent.until is None:
        return consent
    return Lasting(consent.words, end_as_read(consent.until))


def _sources() -> dict[str, str]:
    return {
        "examination": _("examined here"),
        "order": _("ordered from here"),
        "admission": _("admitted here"),
        "referral": _("referred here"),
        "self_declared": _("stated by you"),
    }


def _kinds() -> dict[str, str]:
    return {
        "consent": _("given by the patient"),
        "guardian": _("given by the guardian"),
        "incapacity": _("cannot decide"),
    }
