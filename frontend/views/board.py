"""The distribution board, and the deliveries behind its figures."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from access.actor import Actor
from frontend.board import show_board as read_board
from frontend.deliveries import list_acts, list_deliveries
from frontend.forms.deliveries import DeliveryFilterForm
from frontend.keeping import make_base, require_keeper
from frontend.page import portal_page
from repository.delivery.operating.listing import STATES


@require_safe
@portal_page
def show_board(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the board: one screen for all destinations that the person keeps."""
    keeper = require_keeper(request, actor)
    context = make_base(keeper, "board") | {"board": read_board(keeper)}
    return render(request, "frontend/distribution/board.html", context)


@require_safe
@portal_page
def refresh_board(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Answer with the board itself, or 204 when the page already shows this version of it."""
    keeper = require_keeper(request, actor)
    board = read_board(keeper)
    if request.GET.get("seen") == board.version:
        return HttpResponse(status=204)
    context = make_base(keeper, "board") | {"board": board}
    return render(request, "frontend/distribution/board_part.html", context)


@require_safe
@portal_page
def show_deliveries(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List deliveries, newest first, a page at a time."""
    keeper = require_keeper(request, actor)
    form = DeliveryFilterForm(keeper, request.GET)
    wanted = form.make_filter()
    before = request.GET.get("before", "")
    key = int(before) if before.isdecimal() and len(before) < 19 else None
    asked = [(name, value) for name, values in request.GET.lists() if name != "before" for value in values]
    context = make_base(keeper, "deliveries") | {
        "form": form,
        "page_of": list_deliveries(keeper, wanted, before=key),
        "query": urlencode(asked),
        "is_narrowed": not wanted.is_empty,
        "acts": list_acts(keeper, wanted.states or STATES),
    }
    return render(request, "frontend/distribution/deliveries.html", context)
