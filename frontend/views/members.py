"""Who works in the own department: for its head."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from access.actor import Actor
from access.assignments import EndedAssignment, InvalidAssignment
from access.members import (
    MayNotManage,
    UnknownMember,
    end_member,
    givable_roles,
    give_member,
    require_manager,
)
from access.models import Department, User
from frontend.member_form import MemberForm
from frontend.member_rows import read_members
from frontend.page import portal_page

NOTICES = ("given", "ended", "ended_before")


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def show_members(request: HttpRequest, actor: Actor) -> HttpResponse:
    """List the assignments of the department, or give the posted one."""
    department_id = _require_manager(actor)
    roles = givable_roles(is_staff=_is_staff(request))
    form = MemberForm(roles, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _give(request, actor, form):
        return redirect(f"{request.path}?done=given")
    members, ended = read_members(actor, is_staff=_is_staff(request))
    context = {
        "department": Department.objects.select_related("unit").get(pk=department_id),
        "members": members,
        "ended": ended,
        "form": form,
        "done": request.GET.get("done") if request.GET.get("done") in NOTICES else "",
        "section": "administration",
        "page": "members",
        "is_staff": _is_staff(request),
    }
    return render(request, "frontend/administration/members.html", context)


@require_POST
@portal_page
def end_membership(request: HttpRequest, actor: Actor, pk: int) -> HttpResponse:
    """End one assignment of the department."""
    _require_manager(actor)
    try:
        end_member(actor, pk, is_staff=_is_staff(request))
    except UnknownMember as error:
        raise Http404(str(error)) from error
    except MayNotManage as error:
        raise PermissionDenied(str(error)) from error
    except EndedAssignment:
        return redirect(f"{reverse('members')}?done=ended_before")
    return redirect(f"{reverse('members')}?done=ended")


def _give(request: HttpRequest, actor: Actor, form: MemberForm) -> bool:
    """Give what the form says; False with the reason in the form if it cannot be given."""
    values = form.cleaned_data
    try:
        give_member(actor, values["person"], values["role"], form.read_terms(), is_staff=_is_staff(request))
    except InvalidAssignment as error:
        form.add_error("person" if error.reason == "overlap" else None, _say(error))
    except MayNotManage:
        form.add_error("person", _("Nobody gives themselves an assignment. Ask somebody else to do it."))
    else:
        return True
    return False


def _say(error: InvalidAssignment) -> str:
    if error.reason == "overlap":
        return _("This person has this role here already.")
    if error.reason == "place_ended":
        return _("The department has ended.")
    return _("This assignment cannot be given.")


def _is_staff(request: HttpRequest) -> bool:
    return isinstance(request.user, User) and request.user.is_staff


def _require_manager(actor: Actor) -> int:
    try:
        return require_manager(actor)
    except MayNotManage as error:
        raise PermissionDenied(str(error)) from error
