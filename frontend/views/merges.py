"""Identities that are or would be one: what waits for a decision and what was merged, for who keeps identities."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from access.actor import Actor
from access.database import run_write
from access.models import User
from access.step_up import ask_for_second_factor, is_fresh
from frontend.acts import posted, say_error, tell
from frontend.forms.merge import MergeReasonForm
from frontend.identities import make_merge_pair, make_request_pair
from frontend.opening import DOOR
from frontend.page import portal_page, require_any
from registry.merge_listing import KEEP, count_moved, keeper_of, merges_kept_by, read_page, record_read
from registry.merge_requests import WAITING, make_request, record_seen, refuse_request, requests_kept_by
from registry.merges import ImpossibleMerge, MergeStands, find_resting, undo
from registry.models import MergeRequest, Study
from registry.noted import EndedEntry

A_PAGE = 50
LARGEST_KEY = (1 << 63) - 1


@require_safe
@portal_page
def show_merges(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List what waits, the oldest first, and what was merged, the newest first; each patient's log says of it."""
    keeper = _keeper(request, actor)
    waiting = requests_kept_by(keeper).filter(decision=WAITING).order_by("pk")
    after = _read_key(request, "after")
    rows = list(waiting.filter(pk__gt=after or 0)[: A_PAGE + 1])
    page = read_page(merges_kept_by(keeper), before=_read_key(request, "before"), most=A_PAGE)
    requests = [(row, make_request_pair(row)) for row in rows[:A_PAGE]]

    def record_all() -> None:
        record_seen(actor, [row for row, pair in requests if pair], door=DOOR)
        for row in page.rows:
            record_read(actor, row, door=DOOR)

    run_write(record_all)
    context = _base(request) | {
        "requests": [pair for _row, pair in requests if pair],
        "merges": [make_merge_pair(row) for row in page.rows],
        "after": rows[A_PAGE - 1].pk if len(rows) > A_PAGE else None,
        "before": page.following,
    }
    return render(request, "frontend/administration/merges.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def decide_request(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Show the two beside each other; posted, make them one with a fresh second factor, or refuse it."""
    keeper = _keeper(request, actor)
    row = requests_kept_by(keeper).filter(pk=pk).first()
    pair = make_request_pair(row) if row else None
    if row is None or pair is None:
        raise Http404("no such request")
    form = MergeReasonForm(posted(request))
    step = request.POST.get("step")
    if request.method == "POST" and step in ("make", "refuse"):
        if step == "make" and not is_fresh(request):
            return ask_for_second_factor(request)
        act, done = (
            (make_request, _("The two are one now."))
            if step == "make"
            else (refuse_request, _("The merge is refused: the two stay two."))
        )
        if form.is_valid() and _attempt(form, lambda: act(pk, by=actor, reason=form.cleaned_data["reason"])):
            tell(request, done)
            return redirect("merges")
    run_write(lambda: record_seen(actor, [row], door=DOOR))
    context = _base(request) | {"pair": pair, "row": row, "form": form, "state": _say_state(row)}
    return render(request, "frontend/administration/merge_request.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def show_merge(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Show a merge and how much it moved; posted, part the two again with a fresh second factor."""
    keeper = _keeper(request, actor)
    row = merges_kept_by(keeper).filter(pk=pk).first()
    if row is None:
        raise Http404("no such merge")
    form = MergeReasonForm(posted(request))
    if request.method == "POST":
        if not is_fresh(request):
            return ask_for_second_factor(request)
        if form.is_valid() and _attempt(form, lambda: undo(pk, by=actor, reason=form.cleaned_data["reason"])):
            tell(request, _("The two are two again."))
            return redirect("merge", pk)
    run_write(lambda: record_read(actor, row, door=DOOR))
    context = _base(request) | {
        "pair": make_merge_pair(row),
        "row": row,
        "form": form,
        "studies": dict(count_moved(row)).get(Study._meta.label, 0),
        "resting": find_resting(row) if row.undone_at is None else [],
    }
    return render(request, "frontend/administration/merge.html", context)


def _keeper(request: HttpRequest, actor: Actor) -> Actor:
    """Let in who keeps identities, with the reach that staff has here."""
    require_any(actor, KEEP)
    return keeper_of(actor, is_staff=_is_staff(request))


def _base(request: HttpRequest) -> dict[str, Any]:
    return {"section": "administration", "page": "merges", "is_staff": _is_staff(request)}


def _is_staff(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_staff


def _read_key(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return min(int(text), LARGEST_KEY) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _attempt(form: MergeReasonForm, act: Callable[[], Any]) -> bool:
    """Do it; that it cannot be done as things are now is said at the form."""
    try:
        run_write(act)
    except EndedEntry as error:
        form.add_error(None, say_error(error))
    except ImpossibleMerge:
        form.add_error(None, _("The two cannot become one: the numbers are one person's already."))
    except MergeStands:
        form.add_error(
            None, _("It cannot be undone as things are: it was undone, or a later merge rests on it.")
        )
    else:
        return True
    return False


def _say_state(row: MergeRequest) -> str:
    return {
        "made": _("made"),
        "refused": _("refused"),
        "withdrawn": _("withdrawn by its feed"),
    }.get(row.decision, "")
