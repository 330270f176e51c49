"""What a patient's rows say about access, read in one query.

A patient has few of these rows: all that are or will be valid are read. The same record serves every study
of the patient; `registry.access_facts` picks what concerns one study.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db.models import CharField, DateTimeField, F, IntegerField, Q, QuerySet, Value
from django.db.models.functions import Cast, Coalesce

from access.actor import Actor
from access.models import SharingAgreement
from access.policy import Basis
from access.prepared import Prepared, Slot, prepare
from registry.models import (
    ActiveChoice,
    Block,
    BlockLift,
    CareRelation,
    Consent,
    EmergencyOpening,
    Participation,
    PatientFlag,
    PatientIdentifier,
    Relative,
    Share,
)

COMMISSIONING = Q(
    sharingagreement__kind=SharingAgreement.PROCESSOR, sharingagreement__commissioner=F("careprovider")
)
"""Of the parties of agreements: the one for whom the others read."""
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: its kind, its key, two keys it points to, two marks, two texts, and when it holds.

    `foreign_id` is what a service of others calls it.
    """

    kind: str
    pk: int
    one: int
    other: int
    mark: int
    second_mark: int
    text: str
    second_text: str
    since: datetime
    until: datetime | None
    foreign_id: str = ""

    @property
    def basis(self) -> Basis:
        """The row as what a decision rests on."""
        return Basis(f"{self.kind}:{self.foreign_id or self.pk}", self.until)


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """All that is valid now about one patient and actor, and when that changes by itself."""

    entries: tuple[Entry, ...]
    changes_at: datetime | None
    are_blocks_known: bool = True

    def of(self, kind: str) -> Iterator[Entry]:
        """Yield the rows of a kind."""
        return (entry for entry in self.entries if entry.kind == kind)


def read_record(actor: Actor, patient_id: int, now: datetime) -> PatientRecord:
    """Read what there is about a patient for an actor."""
    scope = actor.scope
    rows = _rows().fetch(
        patient=patient_id,
        user=(actor.subject_id or 0) if actor.kind == "person" else 0,
        assignment=actor.assignment_id or 0,
        department=scope.department_id or 0,
        provider=scope.provider_id or 0,
        number=actor.national_number or "-",
        now=now,
    )
    entries = [_read_entry(row, now) for row in rows]
    moments = [entry.since for entry in entries if entry.since > now]
    moments += [entry.until for entry in entries if entry.until is not None]
    valid = tuple(entry for entry in entries if entry.since <= now)
    return PatientRecord(valid, min(moments, default=None))


def _read_entry(row: tuple[Any, ...], now: datetime) -> Entry:
    kind, pk, one, other, mark, second_mark, text, second_text, since, until = row
    return Entry(
        kind,
        pk,
        one,
        other,
        mark,
        second_mark,
        text,
        second_text,
        _read_time(since) or now,
        _read_time(until),
    )


def _read_time(value: Any) -> datetime | None:
    """Read a time as the driver gives it: on SQLite text or a time without zone, both in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@cache
def _rows() -> Prepared:
    """Build the one query: a union of what each table has about a patient and an actor."""
    patient, now = Slot("patient"), Slot("now")
    for_unit_or_user = Q(user__isnull=True) | Q(user=Slot("user"))
    no_end = Cast(Value(None), DateTimeField())
    unended: dict[str, Any] = {"patient": patient, "ended_at__isnull": True}
    parts = [
        _select(
            "relation",
            CareRelation.objects.filter(for_unit_or_user, **unended, valid_to__gt=now),
            one=F("unit_id"),
            text=F("source"),
            since=F("valid_from"),
            until=F("valid_to"),
        ),
        _select(
            "flag",
            PatientFlag.objects.filter(**unended),
            text=F("kind"),
            since=F("registered_at"),
            until=no_end,
        ),
        _select(
            "relative",
            Relative.objects.filter(**unended, user=Slot("user")),
            since=F("registered_at"),
            until=no_end,
        ),
        _select(
            "own",
            PatientIdentifier.objects.filter(patient=patient, is_national=True, value=Slot("number")),
            since=F("patient__created_at"),
            until=no_end,
        ),
        _select(
            "block",
            Block.objects.filter(patient=patient, cancelled_at__isnull=True),
            one=Coalesce("provider_id", 0),
            other=Coalesce("unit_id", 0),
            mark=Cast("is_silent", IntegerField()),
            second_mark=Cast("is_absolute", IntegerField()),
            text=F("data_from"),
            second_text=F("data_to"),
            since=F("valid_from"),
            until=no_end,
        ),
        _select(
            "lift",
            BlockLift.objects.filter(
                for_unit_or_user, block__patient=patient, cancelled_at__isnull=True, valid_to__gt=now
            ),
            one=F("block_id"),
            other=F("unit_id"),
            since=F("valid_from"),
            until=F("valid_to"),
        ),
        _select(
            "consent",
            Consent.objects.filter(patient=patient, withdrawn_at__isnull=True, valid_to__gt=now),
            one=Coalesce("recipient_provider_id", 0),
            other=Coalesce("recipient_unit_id", 0),
            mark=Coalesce("recipient_user_id", 0),
            text=F("kind"),
            since=F("valid_from"),
            until=F("valid_to"),
        ),
        _select(
            "choice",
            ActiveChoice.objects.filter(patient=patient, assignment=Slot("assignment"), valid_to__gt=now),
            one=Coalesce("unit_id", 0),
            since=F("valid_from"),
            until=F("valid_to"),
        ),
        _select(
            "opening",
            EmergencyOpening.objects.filter(
                patient=patient,
                user=Slot("user"),
                assignment=Slot("assignment"),
                opened_at__isnull=False,
                closed_at__isnull=True,
                ends_at__gt=now,
            ),
            since=F("opened_at"),
            until=F("ends_at"),
        ),
        _select(
            "share",
            Share.objects.filter(
                Q(valid_to__isnull=True) | Q(valid_to__gt=now),
                study__person=patient,
                department=Slot("department"),
                withdrawn_at__isnull=True,
            ),
            one=F("study_id"),
            other=Coalesce("study__custodian__unit__provider_id", 0),
            text=F("basis"),
            since=F("valid_from"),
            until=F("valid_to"),
        ),
        _select(
            "participation",
            Participation.objects.filter(study__person=patient, user=Slot("user")),
            one=F("study_id"),
            text=F("kind"),
            since=F("registered_at"),
            until=no_end,
        ),
        _select(
            "agreement",
            SharingAgreement.parties.through.objects.filter(
                Q(sharingagreement__valid_to__isnull=True) | Q(sharingagreement__valid_to__gt=now),
                Q(sharingagreement__kind=SharingAgreement.COHESIVE) | COMMISSIONING,
                sharingagreement__parties=Slot("provider"),
            ),
            one=F("careprovider_id"),
            text=F("sharingagreement__kind"),
            since=Coalesce("sharingagreement__valid_from", Value(_ALWAYS)),
            until=F("sharingagreement__valid_to"),
        ),
    ]
    return prepare(parts[0].union(*parts[1:], all=True))


def _select(kind: str, rows: QuerySet[Any], **columns: Any) -> QuerySet[Any, Any]:
    """Select a table's rows in the ten columns of `Entry`."""
    text: CharField[str, str] = CharField()
    chosen: dict[str, Any] = {
        "entry_kind": Value(kind, text),
        "entry_pk": F("pk"),
        "entry_one": columns.get("one", Value(0)),
        "entry_other": columns.get("other", Value(0)),
        "entry_mark": columns.get("mark", Value(0)),
        "entry_second_mark": columns.get("second_mark", Value(0)),
        "entry_text": columns.get("text", Value("", text)),
        "entry_second_text": columns.get("second_text", Value("", text)),
        "entry_since": columns["since"],
        "entry_until": columns["until"],
    }
    selected: QuerySet[Any, Any] = rows.order_by().annotate(**chosen).values_list(*chosen)
    return selected
