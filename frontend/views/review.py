"""Looking back: the unit's emergency openings, samples of its log, and who from outside read what it keeps."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from access import audit
from access.actor import Actor
from access.audit_log import LogFilter, search_events
from access.models import AuditEvent
from frontend.acts import attempt, posted, tell
from frontend.forms.care import describe_reason_codes
from frontend.forms.log import FindingForm, SignForm
from frontend.log_lines import LogLine, make_lines
from frontend.opening import DOOR
from frontend.page import portal_page, require_any
from frontend.people import Banner, read_banner
from frontend.unit_notices import list_unit_notices
from frontend.views.preferences import safe_next
from registry.emergency import (
    REVIEW_WITHIN,
    OwnOpening,
    find_opening,
    list_unreviewed,
    review_opening,
)
from registry.models import EmergencyOpening, EmergencyReview, LogReview, LogReviewItem
from registry.noted import UnknownEntry
from registry.notices import TOLD, mark_seen
from registry.review.findings import (
    OwnAccess,
    find_review,
    list_outside_reads,
    list_reviews,
    note_finding,
    sign_off,
)

RIGHT = "review_access"
OUTSIDE_DAYS = 30
SHOWN_EVENTS = 100


@dataclass(frozen=True, slots=True)
class OpeningLine:
    """An emergency opening in the queue."""

    pk: int
    banner: Banner
    who: str
    role: str
    reason: str
    text: str
    located_at: datetime
    opened_at: datetime | None
    ended_at: datetime
    due_at: datetime
    is_overdue: bool
    is_open: bool


@dataclass(frozen=True, slots=True)
class ItemLine:
    """One access of a sample: the event, why it was drawn, and what was found."""

    item: LogReviewItem
    line: LogLine | None
    reasons: tuple[str, ...]
    finding: str
    form: FindingForm


@require_safe
@portal_page
def show_queues(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what waits for review: openings, samples, notices."""
    require_any(actor, RIGHT)
    openings = [make_opening_line(row) for row in list_unreviewed(actor)]
    reviews = list_reviews(actor)[:24]
    context = {
        "openings": openings,
        "open_reviews": [row for row in reviews if row.signed_at is None],
        "signed_reviews": [row for row in reviews if row.signed_at is not None],
        "notices": list_unit_notices(actor),
        "now": timezone.now(),
        "section": "review",
    }
    audit.record(actor, "audit_read", door=DOOR, detail={"log": "review queues", "openings": len(openings)})
    return render(request, "frontend/review.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def show_opening(request: HttpRequest, actor: Actor, opening_id: int) -> HttpResponse:
    """Show one opening with what was read under it, and take the reviewer's verdict."""
    require_any(actor, RIGHT)
    try:
        opening = find_opening(actor, opening_id)
    except UnknownEntry as error:
        raise Http404(str(error)) from error
    form = FindingForm(posted(request))
    if request.method == "POST" and form.is_valid():
        verdict, text = form.cleaned_data["finding"], form.cleaned_data["text"]
        try:
            is_noted = attempt(
                form, lambda: review_opening(actor, opening, verdict=verdict, text=text, door=DOOR)
            )
        except OwnOpening:
            is_noted = False
            form.add_error(None, _("An opening is reviewed by somebody else than the person who made it."))
        if is_noted:
            tell(request, _("The review is noted."))
            return redirect("review")
    events = _events_under(opening)
    audit.record(
        actor, "audit_read", door=DOOR, patient_id=opening.patient_id, detail={"row": f"opening:{opening.pk}"}
    )
    reviews = EmergencyReview.objects.filter(opening=opening).select_related("reviewer").order_by("-pk")
    context = {
        "opening": make_opening_line(opening),
        "lines": make_lines(events, names_patients=False),
        "reviews": [(row, name_finding(row.verdict)) for row in reviews],
        "form": form,
        "section": "review",
    }
    return render(request, "frontend/review_opening.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def show_sample(request: HttpRequest, actor: Actor, review_id: int) -> HttpResponse:
    """Show a sample of the log, and take the signature under its findings."""
    review = _find_sample(actor, review_id)
    form = SignForm(posted(request))
    if request.method == "POST" and form.is_valid():
        summary = form.cleaned_data["summary"]
        if attempt(form, lambda: sign_off(actor, review, summary=summary, door=DOOR)):
            tell(request, _("The review is signed."))
            return redirect("review")
    items = _make_items(review)
    audit.record(
        actor, "audit_read", door=DOOR, detail={"row": f"log_review:{review.pk}", "rows": len(items)}
    )
    context = {
        "review": review,
        "items": items,
        "waiting": sum(1 for line in items if not line.item.finding),
        "form": form,
        "now": timezone.now(),
        "section": "review",
    }
    return render(request, "frontend/review_sample.html", context)


@require_POST
@portal_page
def judge_item(request: HttpRequest, actor: Actor, review_id: int, item_id: int) -> HttpResponse:
    """Note what was found about one access of a sample."""
    review = _find_sample(actor, review_id)
    item = get_object_or_404(LogReviewItem.objects.select_related("review"), pk=item_id, review=review)
    form = FindingForm(request.POST)
    if form.is_valid():
        finding, text = form.cleaned_data["finding"], form.cleaned_data["text"]
        try:
            attempt(form, lambda: note_finding(actor, item, finding=finding, text=text, door=DOOR))
        except OwnAccess:
            form.add_error(None, _("An access is judged by somebody else than the person who made it."))
    for errors in form.errors.values():
        for error in errors:
            tell(request, str(error), is_fault=True)
    response = redirect("review_sample", review.pk)
    response["Location"] += f"#item-{item.pk}"
    return response


@require_POST
@portal_page
def see_notice(request: HttpRequest, actor: Actor, notice_id: int) -> HttpResponse:
    """Note that a notice was seen."""
    require_any(actor, *TOLD.values())
    try:
        mark_seen(actor, notice_id)
    except UnknownEntry as error:
        raise Http404(str(error)) from error
    return redirect(safe_next(request))


@require_safe
@portal_page
def show_outside(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show who outside the unit read what the unit keeps, of the last thirty days."""
    require_any(actor, RIGHT)
    now = timezone.now()
    events = list_outside_reads(actor, now - timedelta(days=OUTSIDE_DAYS), now, door=DOOR)
    context = {"lines": make_lines(events), "days": OUTSIDE_DAYS, "section": "review"}
    return render(request, "frontend/review_outside.html", context)


def make_opening_line(row: EmergencyOpening) -> OpeningLine:
    """Put an opening into words."""
    due_at = row.located_at + REVIEW_WITHIN
    return OpeningLine(
        pk=row.pk,
        banner=read_banner(row.patient),
        who=row.user.get_full_name() or row.user.username,
        role=str(row.assignment),
        reason=describe_reason_codes().get(row.reason_code, row.reason_code),
        text=row.reason,
        located_at=row.located_at,
        opened_at=row.opened_at,
        ended_at=row.closed_at or row.ends_at,
        due_at=due_at,
        is_overdue=due_at < timezone.now(),
        is_open=row.opened_at is not None and row.closed_at is None and row.ends_at > timezone.now(),
    )


def name_finding(word: str) -> str:
    """Say what was found."""
    words = {"justified": _("Justified"), "question": _("Question to the person"), "misuse": _("Misuse")}
    return words.get(word, "")


def _events_under(opening: EmergencyOpening) -> tuple[AuditEvent, ...]:
    wanted = LogFilter(
        patient_id=opening.patient_id,
        actor=opening.user.username,
        recorded_from=opening.located_at - timedelta(seconds=1),
        recorded_before=(opening.closed_at or opening.ends_at) + timedelta(seconds=1),
    )
    return search_events(wanted, limit=SHOWN_EVENTS).events


def _find_sample(actor: Actor, review_id: int) -> LogReview:
    require_any(actor, RIGHT)
    try:
        return find_review(actor, review_id)
    except UnknownEntry as error:
        raise Http404(str(error)) from error


def _make_items(review: LogReview) -> list[ItemLine]:
    items = list(review.items.order_by("pk"))
    events = AuditEvent.objects.select_related("span").filter(pk__in=[item.event_id for item in items])
    lines = {line.pk: line for line in make_lines(list(events))}
    words = _describe_draws()
    return [
        ItemLine(
            item,
            lines.get(item.event_id),
            tuple(words.get(reason, reason) for reason in item.reasons),
            name_finding(item.finding),
            FindingForm(initial={"finding": item.finding, "text": item.text}, auto_id=f"id_{item.pk}_%s"),
        )
        for item in items
    ]


def _describe_draws() -> dict[str, str]:
    return {
        "protected": _("protected identity"),
        "vip": _("public person"),
        "staff": _("colleague as patient"),
        "relative": _("close to the reader"),
        "same_surname": _("same surname"),
        "self_declared": _("relation stated by the reader"),
        "night_volume": _("many patients in one night"),
        "unrelated_volume": _("many patients without a relation"),
        "random": _("at random"),
    }
