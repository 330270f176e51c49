"""The administration pages: for staff, behind the same login as everything else and a second factor."""

from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from access.step_up import ask_for_second_factor, has_fresh_second_factor, is_fresh


class Administration(AdminSite):
    """Django's administration without a login of its own: that would pass by the second factor and the lock-out."""

    def has_permission(self, request: HttpRequest) -> bool:
        """Tell whether staff may come in now."""
        return super().has_permission(request) and _has_shown_enough(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send whoever may not come in to where they can change that."""
        target = request.GET.get("next", "")
        if not request.user.is_authenticated:
            return redirect_to_login(target or request.get_full_path())
        if not super().has_permission(request):
            raise PermissionDenied("the administration is for staff")
        return redirect("admin:index") if _has_shown_enough(request) else ask_for_second_factor(request)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]
        """Log out where everybody does."""
        return redirect("account_logout")


def _has_shown_enough(request: HttpRequest) -> bool:
    return has_fresh_second_factor(request) if settings.ADMIN_NEEDS_SECOND_FACTOR else is_fresh(request)
