"""What a head of unit finds in a sample, and the signature under it."""

from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from access.models import AuditEvent
from registry.models import LogReview, LogReviewItem, Study
from registry.noted import EndedEntry, InvalidEntry, UnknownEntry, refuse, require_right, require_text

FINDINGS = ("justified", "question", "misuse")
LONGEST_PERIOD = timedelta(days=92)


class OwnAccess(PermissionError):
    """Nobody judges an access of their own."""


class UnfinishedReview(EndedEntry):
    """Some accesses of the sample have no finding."""


def list_reviews(actor: Actor, *, overdue_only: bool = False, open_only: bool = False) -> list[LogReview]:
    """Return the samples of the actor's unit, newest period first; nothing without `review_access`."""
    rows = _of_unit(actor)
    if open_only or overdue_only:
        rows = rows.filter(signed_at__isnull=True)
    if overdue_only:
        rows = rows.filter(due_at__lt=timezone.now())
    return list(rows.order_by("-period_from", "-pk"))


def find_review(actor: Actor, review_id: int) -> LogReview:
    """Return a sample of the actor's unit.

    Raises
    ------
    UnknownEntry
    """
    review = _of_unit(actor).filter(pk=review_id).first()
    if review is None:
        raise UnknownEntry("no such log review")
    return review


def note_finding(
    actor: Actor, item: LogReviewItem, *, finding: str, text: str = "", door: str = ""
) -> LogReviewItem:
    """Write what was found about one access; it can be changed until the review is signed.

    Raises
    ------
    MissingRight
        Without `review_access`, or of another unit.
    OwnAccess
        It is the actor's own.
    EndedEntry
        The review is signed.
    InvalidEntry
        Unknown finding; `question` and `misuse` without a text.
    """
    _require_reviewer(actor, item.review, "review_finding", door)
    if item.subject == actor.subject:
        raise OwnAccess("an access is judged by somebody else than the person who made it")
    if finding not in FINDINGS:
        raise InvalidEntry(f"unknown finding {finding[:20]!r}; known are {', '.join(FINDINGS)}")
    stated = require_text(text, "text", least=0 if finding == "justified" else 10)

    def work() -> LogReviewItem:
        rows = LogReviewItem.objects.filter(pk=item.pk, review__signed_at__isnull=True)
        if not rows.update(finding=finding, text=stated, found_by=actor.subject, found_at=timezone.now()):
            raise EndedEntry("the review is signed: its findings stand")
        detail = {"row": f"log_review_item:{item.pk}", "event": item.event_id, "finding": finding}
        audit.record(actor, "review_finding", door=door, patient_id=item.patient_id, detail=detail)
        return LogReviewItem.objects.get(pk=item.pk)

    return run_write(work)


def sign_off(actor: Actor, review: LogReview, *, summary: str, door: str = "") -> LogReview:
    """Sign a review of which every access has a finding.

    Raises
    ------
    MissingRight
    UnfinishedReview
        Some accesses have none.
    EndedEntry
        It is signed.
    InvalidEntry
        Without a summary.
    """
    _require_reviewer(actor, review, "review_sign", door)
    stated = require_text(summary, "summary", least=5, most=2000)

    def work() -> LogReview:
        missing = LogReviewItem.objects.filter(review=review, finding="").count()
        if missing:
            raise UnfinishedReview(f"{missing} accesses of the sample have no finding")
        signed = LogReview.objects.filter(pk=review.pk, signed_at__isnull=True).update(
            signed_at=timezone.now(), signed_by=actor.subject, summary=stated
        )
        if not signed:
            raise EndedEntry("the review was signed before")
        audit.record(actor, "review_sign", door=door, detail={"row": f"log_review:{review.pk}"})
        return LogReview.objects.get(pk=review.pk)

    return run_write(work)


def list_outside_reads(
    actor: Actor, since: datetime, until: datetime, *, limit: int = 500, door: str = ""
) -> list[AuditEvent]:
    """Return who outside the actor's unit read what the unit keeps, newest first; that it was looked at is recorded.

    Raises
    ------
    MissingRight
        Without `review_access`.
    InvalidEntry
        The period is not one, or is longer than 92 days.
    """
    require_right(actor, "review_access", "audit_read", door=door)
    if not since < until or until - since > LONGEST_PERIOD:
        raise InvalidEntry("a period begins before it ends and is at most 92 days long")
    if actor.scope.unit_id is None:
        return []
    kept = Study.objects.filter(custodian__unit=actor.scope.unit_id).values("study_instance_uid")
    rows = AuditEvent.objects.filter(
        study_instance_uid__in=kept,
        recorded_at__gte=since,
        recorded_at__lt=until,
        action="read",
        outcome="success",
    ).exclude(care_unit_hsa_id=actor.care_unit_hsa_id)
    found = list(rows.order_by("-pk")[:limit])
    detail = {"since": since.isoformat(), "until": until.isoformat(), "rows": len(found)}
    audit.record(actor, "audit_read", door=door, detail=detail)
    return found


def _of_unit(actor: Actor) -> QuerySet[LogReview]:
    if not actor.may("review_access") or actor.scope.unit_id is None:
        return LogReview.objects.none()
    return LogReview.objects.filter(unit=actor.scope.unit_id).select_related("unit")


def _require_reviewer(actor: Actor, review: LogReview, action: str, door: str) -> None:
    require_right(actor, "review_access", action, door=door)
    if actor.kind != "person" or actor.scope.unit_id != review.unit_id:
        refuse(actor, action, None, "the log of another care unit", door=door)
