"""Roles: what each may do, changed by staff after seeing what changes, and looked at as somebody in it would."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from access.actor import Actor
from access.members import MANAGE
from access.models import Department, Role, User
from access.roles import RoleChange, set_permissions
from access.step_up import ask_for_second_factor, is_fresh
from frontend.page import portal_page
from frontend.role_matrix import compare_matrix, describe_change, read_matrix
from frontend.role_preview import preview_role


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def show_roles(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Show the matrix; posted, show what would change, and when that was seen, change it."""
    is_staff = _require_administrator(request, actor)
    if request.method == "POST":
        if not is_staff:
            raise PermissionDenied("roles are changed by staff")
        return _change(request, actor)
    context = _base("roles", is_staff=is_staff) | {
        "matrix": read_matrix(),
        "saved": request.GET.get("saved") == "1",
        "stale": request.GET.get("stale") == "1",
    }
    return render(request, "frontend/administration/roles.html", context)


@require_safe
@portal_page
def view_as_role(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show what somebody in a role sees and may do; a head looks at roles in the own department."""
    is_staff = _require_administrator(request, actor)
    own = actor.scope.department_id or 0
    departments = Department.objects.select_related("unit__provider").order_by("unit__name", "name")
    if not is_staff:
        departments = departments.filter(pk=own)
    roles = list(Role.objects.all())
    role, department = roles[0] if roles else None, departments.filter(pk=own).first()
    if "role" in request.GET:
        role = next((row for row in roles if row.code == request.GET["role"]), None)
        key = request.GET.get("department", "")
        department = departments.filter(pk=int(key)).first() if key.isdecimal() and len(key) < 19 else None
        if role is None or department is None:
            raise Http404("no such role or department")
    context = _base("view_as", is_staff=is_staff) | {
        "roles": roles,
        "departments": departments,
        "preview": preview_role(role, department) if role and department else None,
    }
    return render(request, "frontend/administration/view_as.html", context)


def _change(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Show what the ticked boxes would change, or change it if that is what was seen."""
    if not is_fresh(request):
        return ask_for_second_factor(request)
    if request.POST.get("step") == "save":
        with transaction.atomic():
            list(Role.objects.select_for_update())  # nobody changes them between looking and writing
            changes = _compare(request)
            for change in changes or ():
                set_permissions(change.role, change.permissions, by=actor)
        return redirect(f"{reverse('roles')}?{'stale' if changes is None else 'saved'}=1")
    changes = _compare(request)
    if changes is None:
        return redirect(f"{reverse('roles')}?stale=1")
    context = _base("roles", is_staff=True) | {
        "changes": [describe_change(change) for change in changes],
        "ticked": sorted(set(request.POST.getlist("given"))),
        "version": request.POST.get("version"),
    }
    return render(request, "frontend/administration/role_changes.html", context)


def _compare(request: HttpRequest) -> list[RoleChange] | None:
    """Return what the ticked boxes would change; None if the roles are not what the person saw any more."""
    matrix = read_matrix()
    if request.POST.get("version") != matrix.version:
        return None
    return compare_matrix(matrix, request.POST.getlist("given"))


def _base(page: str, *, is_staff: bool) -> dict[str, object]:
    return {"section": "administration", "page": page, "is_staff": is_staff}


def _require_administrator(request: HttpRequest, actor: Actor) -> bool:
    """Let in who manages members, and staff; tells whether it is staff."""
    is_staff = isinstance(request.user, User) and request.user.is_staff
    if not is_staff and not actor.may(MANAGE):
        raise PermissionDenied(f"the assignment does not include the permission {MANAGE}")
    return is_staff
