"""What departments subscribe to: a list of sentences, the editor with its live preview, and sending the past."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from access.actor import Actor
from access.models import Department
from access.reach import REPLAY, SUBSCRIPTIONS, departments_kept_by
from frontend.acts import attempt, posted, say_error, tell
from frontend.forms.hours import list_lines
from frontend.forms.subscription import ReplayForm, SubscriptionForm
from frontend.keeping import make_base, require_keeper
from frontend.opening import DOOR
from frontend.page import portal_page
from frontend.subscriptions import PreviewView, list_subscriptions, show_preview
from registry.models import Subscription
from registry.noted import EndedEntry, InvalidEntry
from registry.subscribing import (
    change_subscription,
    end_subscription,
    make_unsaved,
    subscribe,
    subscriptions_kept_by,
)
from registry.wishes.replay import replay
from registry.wishes.sentence import write_sentence


@require_safe
@portal_page
def show_subscriptions(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List what the person keeps, each as a sentence."""
    keeper = require_keeper(request, actor, SUBSCRIPTIONS)
    context = make_base(keeper, "subscriptions") | {
        "lines": list_subscriptions(keeper),
        "departments": departments_kept_by(keeper),
    }
    return render(request, "frontend/distribution/subscriptions.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def add_subscription(request: HttpRequest, actor: Actor, department_id: int) -> HttpResponse:
    """Show the empty editor of a department, or let it subscribe."""
    keeper = require_keeper(request, actor, SUBSCRIPTIONS)
    department = _find_department(keeper, department_id)
    form = SubscriptionForm(department, None, posted(request))

    def create() -> None:
        subscribe(keeper, department, form.make_draft(), door=DOOR)

    if request.method == "POST" and form.is_valid() and attempt(form, create):
        tell(request, _("The department subscribes. What is stored from now on is held against it."))
        return redirect("subscriptions")
    return _show_editor(request, keeper, form)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def edit_subscription(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Show a subscription in the editor, or change it."""
    keeper = require_keeper(request, actor, SUBSCRIPTIONS)
    row = _find(keeper, pk)
    form = SubscriptionForm(row.department, row, posted(request))

    def change() -> None:
        change_subscription(keeper, row, form.make_draft(), door=DOOR)

    if request.method == "POST" and form.is_valid() and attempt(form, change):
        tell(request, _("The subscription is changed, for what is planned from now on."))
        return redirect("subscriptions")
    return _show_editor(request, keeper, form)


@require_POST
@portal_page
def preview_subscription(request: HttpRequest, actor: Actor, department_id: int) -> HttpResponse:
    """Answer with what the form, as it stands, means and would have brought; nothing is kept."""
    keeper = require_keeper(request, actor, SUBSCRIPTIONS)
    department = _find_department(keeper, department_id)
    key = request.POST.get("subscription", "")
    row = _find(keeper, int(key)) if key.isdecimal() and len(key) < 19 else None
    form = SubscriptionForm(department, row, request.POST)
    return render(request, "frontend/distribution/preview.html", {"preview": _preview(form), "form": form})


@require_POST
@portal_page
def remove_subscription(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Remove a subscription."""
    keeper = require_keeper(request, actor, SUBSCRIPTIONS)
    end_subscription(keeper, _find(keeper, pk), door=DOOR)
    tell(request, _("The subscription is removed."))
    return redirect("subscriptions")


@require_POST
@portal_page
def replay_subscription(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """Send the past to a subscription."""
    keeper = require_keeper(request, actor, REPLAY)
    row = _find(keeper, pk)
    form = ReplayForm(request.POST)
    if not form.is_valid():
        tell(request, _("Say from which day to which, and why."), is_fault=True)
        return redirect("subscriptions")
    try:
        count = replay(keeper, row, door=DOOR, **form.cleaned_data)
    except (InvalidEntry, EndedEntry) as error:
        tell(request, say_error(error), is_fault=True)
    else:
        tell(request, _("%(count)s studies match and are sent when there is room.") % {"count": count})
    return redirect("subscriptions")


def _show_editor(request: HttpRequest, keeper: Actor, form: SubscriptionForm) -> HttpResponse:
    context: dict[str, Any] = make_base(keeper, "subscriptions") | {
        "form": form,
        "row": form.row,
        "department": form.department,
        "hours": list_lines(form),
        "preview": _preview(form),
        "sentence": write_sentence(form.row) if form.row is not None else "",
        "replay_form": ReplayForm(),
    }
    return render(request, "frontend/distribution/subscription_form.html", context)


def _preview(form: SubscriptionForm) -> PreviewView | None:
    """Return what the form means; None while it says nothing that could be kept."""
    if not form.is_bound:
        return show_preview(form.row) if form.row is not None else None
    if not form.is_valid():
        return None
    try:
        return show_preview(make_unsaved(form.department, form.make_draft()))
    except InvalidEntry:
        return None


def _find(keeper: Actor, pk: int) -> Subscription:
    row = subscriptions_kept_by(keeper).filter(pk=pk).first()
    if row is None:
        raise Http404("no such subscription")
    return row


def _find_department(keeper: Actor, pk: int) -> Department:
    row = departments_kept_by(keeper).filter(pk=pk).first()
    if row is None:
        raise Http404("no such department")
    return row
