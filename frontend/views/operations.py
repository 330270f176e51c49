"""What an operator does from the pages of distribution: to destinations, to deliveries, and about recalls."""

from collections.abc import Callable
from datetime import timedelta

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from access.actor import Actor
from access.reach import DESTINATIONS, KEPT, REPLAY, departments_kept_by
from frontend.acts import attempt_plain, say_error, tell
from frontend.forms.deliveries import DeliveryFilterForm
from frontend.keeping import require_keeper
from frontend.opening import DOOR
from frontend.page import portal_page
from frontend.views.destinations import find_destination
from frontend.views.preferences import safe_next
from registry.noted import InvalidEntry
from repository.delivery.operating import operate
from repository.delivery.operating.listing import deliveries_kept_by, narrow
from repository.delivery.operating.said import translate_error
from repository.delivery.planning.recall_receipts import acknowledge_recall
from repository.delivery.queue.retry import retry
from repository.models import Delivery, RecallReceipt

DESTINATION_ACTS = ("test", "hold", "release", "maintenance")
MAINTENANCE_HOURS = (1, 4, 12, 24)
Act = Callable[[Actor, QuerySet[Delivery], str], int]
ACTS: dict[str, tuple[str, Act]] = {
    "hold": (DESTINATIONS, lambda keeper, rows, reason: operate.hold(keeper, rows, reason, door=DOOR)),
    "release": (DESTINATIONS, lambda keeper, rows, _r: operate.release_deliveries(keeper, rows, door=DOOR)),
    "retry": (DESTINATIONS, lambda keeper, rows, _r: retry(keeper, rows, door=DOOR)),
    "withdraw": (
        DESTINATIONS,
        lambda keeper, rows, reason: operate.withdraw(keeper, rows, reason, door=DOOR),
    ),
    "verify": (REPLAY, lambda keeper, rows, _r: operate.verify_again(keeper, rows, door=DOOR)),
    "replay": (REPLAY, lambda keeper, rows, reason: operate.replay(keeper, rows, reason, door=DOOR)),
}


@require_POST
@portal_page
def operate_destination(request: HttpRequest, actor: Actor, pk: int, act: str) -> HttpResponse:
    """Test, hold or release a destination, or say how long it is out of service."""
    keeper = require_keeper(request, actor, DESTINATIONS)
    row = find_destination(keeper, pk)
    if act == "test":
        found = operate.test_destination(keeper, row, door=DOOR)
        words = {"name": row.name, "ms": found.latency_ms, "error": translate_error(found.error)}
        if found.answers:
            tell(request, _("%(name)s answers, in %(ms)s ms.") % words)
        else:
            tell(request, _("%(name)s does not answer as it should: %(error)s") % words, is_fault=True)
    elif act == "hold":
        reason = request.POST.get("reason", "")
        attempt_plain(
            request,
            lambda: operate.hold_destination(keeper, row, reason, door=DOOR),
            _("Nothing is sent there until somebody releases it."),
        )
    elif act == "release":
        attempt_plain(
            request,
            lambda: operate.release_destination(keeper, row, door=DOOR),
            _("It is sent there again."),
        )
    else:
        _set_maintenance(request, keeper, pk)
    return _go_back(request, "destinations")


@require_POST
@portal_page
def operate_delivery(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Do something to one delivery."""
    keeper = require_keeper(request, actor, DESTINATIONS, REPLAY)
    rows = deliveries_kept_by(keeper).filter(pk=pk)
    if not rows.exists():
        raise Http404("no such delivery")
    return _operate(request, keeper, rows)


@require_POST
@portal_page
def operate_deliveries(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Do something to all deliveries that the filter of the page shows."""
    keeper = require_keeper(request, actor, DESTINATIONS, REPLAY)
    wanted = DeliveryFilterForm(keeper, QueryDict(request.POST.get("query", ""))).make_filter()
    if wanted.is_empty:
        tell(
            request, _("Choose first which deliveries: by state, destination, kind or study."), is_fault=True
        )
        return redirect("deliveries")
    return _operate(request, keeper, narrow(deliveries_kept_by(keeper), wanted))


@require_POST
@portal_page
def finish_recall(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Say that a person has removed at a receiver what was recalled."""
    keeper = require_keeper(request, actor, *KEPT)
    rows = RecallReceipt.objects.select_related("destination", "recall__study")
    receipt = rows.filter(pk=pk, destination__department__in=departments_kept_by(keeper)).first()
    if receipt is None:
        raise Http404("no such recall")
    done = _("It is noted that the images have been removed there.")
    attempt_plain(request, lambda: acknowledge_recall(keeper, receipt, door=DOOR), done)
    return redirect("board")


def _set_maintenance(request: HttpRequest, keeper: Actor, pk: int) -> None:
    hours = request.POST.get("hours", "")
    if hours and hours not in map(str, MAINTENANCE_HOURS):
        raise Http404("no such length")
    until = timezone.now() + timedelta(hours=int(hours)) if hours else None
    row = find_destination(keeper, pk)
    attempt_plain(
        request,
        lambda: operate.set_maintenance(keeper, row, until, door=DOOR),
        _("It is out of service until then.") if until else _("The maintenance is over."),
    )


def _operate(request: HttpRequest, keeper: Actor, rows: QuerySet[Delivery]) -> HttpResponse:
    act = request.POST.get("act", "")
    if act not in ACTS:
        raise Http404("no such act")
    try:
        count = ACTS[act][1](keeper, rows, request.POST.get("reason", ""))
    except InvalidEntry as error:
        tell(request, say_error(error), is_fault=True)
    else:
        words = ngettext("Done, to %(count)s delivery.", "Done, to %(count)s deliveries.", count)
        tell(request, words % {"count": count}, is_fault=not count)
    return _go_back(request, "deliveries")


def _go_back(request: HttpRequest, page: str) -> HttpResponse:
    return redirect(safe_next(request) if request.POST.get("next") else reverse(page))
