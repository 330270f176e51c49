"""Merges that a feed asks for: carried out at once, or kept for a person to decide, as the numbers' issuers want it.

An affinity domain says of each issuer `auto` or `queue` (`patient_domains`: `merges`). While a request waits the
patients are two, each found by its own number, and nothing is moved.
"""

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import write_transaction
from access.rows import add
from registry import changes
from registry.affinity import affinity
from registry.identity import Demographics, PatientNumber, find_or_create_patient, find_patient
from registry.merge_listing import patients_of_oneself
from registry.merge_moves import LINK, MERGE
from registry.merges import ImpossibleMerge, merge
from registry.models import MergeRequest, PatientIdentifier, PatientMerge, Study
from registry.noted import EndedEntry, UnknownEntry

AUTO, QUEUE = "auto", "queue"
WAITING, MADE, REFUSED, WITHDRAWN = "", "made", "refused", "withdrawn"


def ask_to_merge(
    survivor: PatientNumber,
    subsumed: PatientNumber,
    *,
    source: str,
    message_id: str = "",
    kind: str = MERGE,
    actor: Actor,
) -> PatientMerge | MergeRequest:
    """Merge two numbers, or keep the request if an issuer of either wants a person to decide.

    Repeated, it changes nothing. Numbers that nobody had become known.

    Raises
    ------
    ImpossibleMerge
    """
    if not _has_to_wait(survivor, subsumed):
        return merge(survivor, subsumed, source=source, message_id=message_id, kind=kind)
    if not survivor.value or not subsumed.value or survivor == subsumed:
        raise ImpossibleMerge("a merge needs two different numbers")
    with write_transaction():
        patients = [find_or_create_patient(number, Demographics()) for number in (survivor, subsumed)]
        if patients[0].pk == patients[1].pk:  # told again of what was made, or a link that becomes a merge
            return merge(survivor, subsumed, source=source, message_id=message_id, kind=kind)
        named = _columns_of(survivor, subsumed) | {"kind": kind, "decision": WAITING}
        more = {
            "source": source[:200],
            "message_id": message_id[:200],
            "requested_at": timezone.now(),
        }
        key = add(MergeRequest, unless_known=True, **named, **more)
        row = MergeRequest.objects.get(**named)
        if key is not None:
            _tell(row, actor, "merge_asked", [patient.pk for patient in patients])
    return row


def make_request(request_id: int, *, by: Actor, reason: str) -> MergeRequest:
    """Carry out what waits, as its feed asked for it.

    Raises
    ------
    UnknownEntry, EndedEntry, ImpossibleMerge
    """
    with write_transaction():
        row = _claim(request_id)
        survivor, subsumed = numbers_of(row)
        row.merge = merge(
            survivor, subsumed, source=row.source, message_id=row.message_id, kind=row.kind, reason=reason
        )
        _decide(row, MADE, by, reason)
    return row


def refuse_request(request_id: int, *, by: Actor, reason: str) -> MergeRequest:
    """Let two stay two; the feed may ask again.

    Raises
    ------
    UnknownEntry, EndedEntry
    """
    with write_transaction():
        row = _claim(request_id)
        _decide(row, REFUSED, by, reason)
    return row


def withdraw_link(first: PatientNumber, second: PatientNumber, *, by: Actor, reason: str) -> bool:
    """Take back the link of two numbers that waits, whichever was named first; False if none does."""
    with write_transaction():
        waiting = MergeRequest.objects.select_for_update().filter(
            Q(**_columns_of(first, second)) | Q(**_columns_of(second, first)), kind=LINK, decision=WAITING
        )
        row = waiting.order_by("pk").first()
        if row is None:
            return False
        _decide(row, WITHDRAWN, by, reason)
    return True


def requests_kept_by(actor: Actor) -> QuerySet[MergeRequest]:
    """Return the requests that the actor may see and decide: about patients of whom the own provider keeps a study.

    Staff with the reach of the region see all of them. Nobody keeps what is about themselves.
    """
    rows = MergeRequest.objects.select_related("merge")
    if (oneself := patients_of_oneself(actor)) is not None:
        theirs = PatientIdentifier.objects.filter(patient__in=oneself)
        rows = rows.exclude(_names_one_of(theirs))
    if actor.scope.region_wide:
        return rows
    own = Study.objects.filter(
        custodian__unit__provider=actor.scope.provider_id or 0, person=OuterRef("patient")
    )
    kept = PatientIdentifier.objects.filter(Exists(own))
    return rows.filter(_names_one_of(kept))


def _names_one_of(numbers: QuerySet[PatientIdentifier]) -> Q:
    survivor, subsumed = (
        Exists(numbers.filter(value=OuterRef(f"{side}_value"), issuer=OuterRef(f"{side}_issuer")))
        for side in ("survivor", "subsumed")
    )
    return Q(survivor | subsumed)


def record_seen(actor: Actor, rows: Iterable[MergeRequest], *, door: str) -> None:
    """Note in the log of each patient that requests about them were looked at."""
    for row in rows:
        for number in numbers_of(row):
            patient = find_patient(number)
            if patient is not None:
                detail = {"request": row.pk}
                audit.record(actor, "merge_read", door=door, patient_id=patient.pk, detail=detail)


def numbers_of(row: MergeRequest) -> tuple[PatientNumber, PatientNumber]:
    """Return the number that would survive, and the one that would be subsumed."""
    return _number_of(row.survivor_value, row.survivor_issuer), _number_of(
        row.subsumed_value, row.subsumed_issuer
    )


def _number_of(value: str, issuer: str) -> PatientNumber:
    known = PatientIdentifier.objects.filter(value=value, issuer=issuer).first()
    return PatientNumber(value, issuer, known is not None and known.is_national)


def _has_to_wait(*numbers: PatientNumber) -> bool:
    domains = [affinity().patient_domain(number.issuer) for number in numbers]
    return any(domain is not None and domain.merges == QUEUE for domain in domains)


def _columns_of(survivor: PatientNumber, subsumed: PatientNumber) -> dict[str, str]:
    return {
        "survivor_value": survivor.value,
        "survivor_issuer": survivor.issuer,
        "subsumed_value": subsumed.value,
        "subsumed_issuer": subsumed.issuer,
    }


def _claim(request_id: int) -> MergeRequest:
    row = MergeRequest.objects.select_for_update().filter(pk=request_id).first()
    if row is None:
        raise UnknownEntry(f"there is no request {request_id} to merge")
    if row.decision:
        raise EndedEntry(f"request {row.pk} was decided already: {row.decision}")
    return row


def _decide(row: MergeRequest, decision: str, by: Actor, reason: str) -> None:
    row.decision, row.decided_at = decision, timezone.now()
    row.decided_by, row.reason = by.subject[:200], reason[:400]
    row.save(update_fields=["decision", "decided_at", "decided_by", "reason", "merge"])
    patients = {patient.pk for number in numbers_of(row) if (patient := find_patient(number)) is not None}
    _tell(row, by, f"merge_{decision}", sorted(patients))


def _tell(row: MergeRequest, actor: Actor, action: str, patients: list[int]) -> None:
    changes.append("merge_asked", detail={"request": row.pk})
    for patient_id in patients:
        audit.record(
            actor,
            action,
            door="registry",
            patient_id=patient_id,
            detail={"request": row.pk, "kind": row.kind},
        )
