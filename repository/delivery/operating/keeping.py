"""Keeping the destinations of departments: what is written is checked first, and said in the access log.

A destination is where data leave for, so every change of it has a row of its own in the log. Secrets go in and never
come out.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from django.db.models import QuerySet

from access import audit
from access.actor import Actor
from access.address import ForbiddenAddress
from access.database import run_write
from access.models import Department
from access.reach import DESTINATIONS, departments_kept_by
from access.secrets import seal
from registry.hours import check_hours
from registry.identity import is_oid
from registry.models import Destination
from registry.noted import InvalidEntry, UnknownEntry, require_right, require_text
from repository.delivery.receivers.certificates import check_authorities, check_client_certificate
from repository.delivery.receivers.kinds import check_address, kind_of

VERIFICATIONS = ("none", "qido-count", "storage-commitment")
MOST_PARALLEL = 64
CODE_LENGTHS = (16, 16, 64)
"""Most characters of a code, its scheme and its meaning (PS3.5 6.2, SH and LO): one that is cut is another code."""
SECRETS = {"token": "token_sealed", "client_certificate": "client_certificate_sealed"}


@dataclass(frozen=True, slots=True)
class DestinationDraft:
    """A destination as somebody wants it; the fields are those of `Destination`.

    Parameters
    ----------
    token, client_certificate
        None keeps what is there, the empty text removes it.
    """

    name: str
    url: str
    called_ae_title: str = ""
    max_parallel: int = 2
    max_mbit: float | None = None
    windows: list[dict[str, Any]] = field(default_factory=list)
    transfer_syntaxes: list[str] = field(default_factory=list)
    max_instance_bytes: int | None = None
    verify: str = "none"
    translates: bool = False
    patient_issuer: str = ""
    accession_issuer: str = ""
    procedure_codes: dict[str, list[str]] = field(default_factory=dict)
    receiving_application: str = ""
    receiving_facility: str = ""
    character_set: str = "UNICODE UTF-8"
    processes_rejection: bool = True
    corrected_through: str = ""
    trusted_certificates: str = ""
    active: bool = True
    token: str | None = field(default=None, repr=False)
    client_certificate: str | None = field(default=None, repr=False)


def destinations_kept_by(actor: Actor) -> QuerySet[Destination]:
    """Return the destinations that the actor may keep, by department and name."""
    rows = Destination.objects.select_related("department__unit__provider")
    rows = rows.filter(department__in=departments_kept_by(actor))
    return rows.order_by("department__unit__name", "department__name", "name", "pk")


def draft_of(row: Destination) -> DestinationDraft:
    """Return a destination as a draft that changes nothing."""
    names = [item.name for item in fields(DestinationDraft) if item.name not in SECRETS]
    return DestinationDraft(**{name: getattr(row, name) for name in names})


def create_destination(
    actor: Actor, department: Department, draft: DestinationDraft, *, door: str = ""
) -> Destination:
    """Create a destination of a department.

    Raises
    ------
    MissingRight, UnknownEntry
        The actor keeps no destinations, or not those of this department.
    InvalidEntry
        What was stated is not a destination; the message says why.
    """
    require_right(actor, DESTINATIONS, "destination_add", door=door)
    if not departments_kept_by(actor).filter(pk=department.pk).exists():
        raise UnknownEntry("no such department")
    _check(draft)
    row = Destination(department=department)

    def write() -> Destination:
        _require_free_name(department.pk, draft.name, None)
        _require_teller(department.pk, draft)
        _write(row, draft)
        _record(actor, "destination_add", row, sorted(_written(draft)), door)
        return row

    return run_write(write)


def change_destination(
    actor: Actor, row: Destination, draft: DestinationDraft, *, door: str = ""
) -> Destination:
    """Change a destination; a new address or secret closes its breaker, so that it is tried at once.

    Raises
    ------
    MissingRight, UnknownEntry, InvalidEntry
        As `create_destination` does.
    """
    require_right(actor, DESTINATIONS, "destination_change", door=door)
    if not destinations_kept_by(actor).filter(pk=row.pk).exists():
        raise UnknownEntry("no such destination")
    _check(draft)
    before = asdict(draft_of(row))

    def write() -> Destination:
        _require_free_name(row.department_id, draft.name, row.pk)
        _require_teller(row.department_id, draft)
        changed = sorted(name for name, value in _written(draft).items() if before.get(name) != value)
        if {"url", "called_ae_title", "trusted_certificates", *SECRETS} & set(changed):
            row.breaker, row.open_until, row.times_opened = Destination.CLOSED, None, 0
            row.consecutive_failures, row.last_error = 0, ""
        _write(row, draft)
        _record(actor, "destination_change", row, changed, door)
        return row

    return run_write(write)


def _written(draft: DestinationDraft) -> dict[str, Any]:
    """Return what a draft writes: a secret that is kept is left out."""
    return {n: v for n, v in asdict(draft).items() if n not in SECRETS or v is not None}


def _write(row: Destination, draft: DestinationDraft) -> None:
    for name, value in _written(draft).items():
        if name in SECRETS:
            setattr(row, SECRETS[name], seal(value))
        else:
            setattr(row, name, value)
    row.save()


def _record(actor: Actor, action: str, row: Destination, changed: list[str], door: str) -> None:
    audit.record(
        actor,
        action,
        door=door,
        detail={"row": f"destination:{row.pk}", "name": row.name, "url": row.url, "fields": changed},
    )


def _require_free_name(department_id: int, name: str, own: int | None) -> None:
    others = Destination.objects.filter(department=department_id, name=name)
    if (others if own is None else others.exclude(pk=own)).exists():
        raise InvalidEntry(f"name: the department has a destination {name!r} already")


def _require_teller(department_id: int, draft: DestinationDraft) -> None:
    """Hold `corrected_through` to a destination of the department that speaks HL7 v2."""
    if not draft.corrected_through:
        return
    named = Destination.objects.filter(department=department_id, name=draft.corrected_through).first()
    if named is None or kind_of(named.url) != "hl7v2":
        raise InvalidEntry(
            f"corrected_through: the department has no HL7 v2 destination {draft.corrected_through[:100]!r}"
        )


def _check(draft: DestinationDraft) -> None:
    require_text(draft.name, "name", most=100)
    require_text(draft.url, "url", most=400)
    try:
        kind = check_address(draft.url)
    except ForbiddenAddress as error:
        raise InvalidEntry(f"url: {error}") from error
    if kind == "dimse":
        require_text(draft.called_ae_title, "called_ae_title", most=16)
    if draft.verify not in VERIFICATIONS:
        raise InvalidEntry(f"verify: {draft.verify[:30]!r} is none of {', '.join(VERIFICATIONS)}")
    _check_limits(draft)
    check_hours(draft.windows, "windows", with_limits=True)
    for name in ("patient_issuer", "accession_issuer"):
        value = getattr(draft, name)
        if value and not is_oid(value):
            raise InvalidEntry(f"{name}: {value[:64]!r} is not an OID")
    if draft.translates and not draft.patient_issuer:
        raise InvalidEntry("patient_issuer: who translates has to say whose numbers the receiver reads")
    _check_codes(draft.procedure_codes)
    check_authorities(draft.trusted_certificates)
    check_client_certificate(draft.client_certificate or "")


def _check_limits(draft: DestinationDraft) -> None:
    if not 1 <= draft.max_parallel <= MOST_PARALLEL:
        raise InvalidEntry(f"max_parallel: {draft.max_parallel} is not from 1 to {MOST_PARALLEL}")
    if draft.max_mbit is not None and not 0 < draft.max_mbit <= 1e6:
        raise InvalidEntry("max_mbit: a limit in megabit a second is above 0; leave it out for none")
    if draft.max_instance_bytes is not None and not 0 < draft.max_instance_bytes < 1 << 63:
        raise InvalidEntry("max_instance_bytes: a limit in bytes is above 0; leave it out for none")
    for uid in draft.transfer_syntaxes:
        if not is_oid(uid):
            raise InvalidEntry(f"transfer_syntaxes: {uid[:64]!r} is not a UID")


def _check_codes(codes: dict[str, list[str]]) -> None:
    for code, value in codes.items():
        texts = isinstance(value, list) and all(isinstance(text, str) for text in value)
        if not texts or len(value) != 3 or not value[0]:
            raise InvalidEntry(
                f"procedure_codes: {code[:40]!r} needs [code, scheme, meaning] of the receiver"
            )
        if any(len(text) > most for text, most in zip(value, CODE_LENGTHS, strict=True)):
            raise InvalidEntry(
                f"procedure_codes: of {code[:40]!r} the code or scheme has more than 16 characters, or the meaning 64"
            )
