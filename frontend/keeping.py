"""Who comes in where distribution is kept: those whose assignment says so, and staff for every department."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from access.actor import Actor
from access.models import User
from access.reach import KEPT, widen_for_staff


def require_keeper(request: HttpRequest, actor: Actor, *words: str) -> Actor:
    """Return who keeps, or answer 403 without one of the rights; it is used for distribution and nothing else."""
    is_staff = isinstance(request.user, User) and request.user.is_staff
    keeper = widen_for_staff(actor, is_staff=is_staff)
    if not any(keeper.may(word) for word in words or KEPT):
        raise PermissionDenied(f"the assignment includes none of {', '.join(words or KEPT)}")
    return keeper


def make_base(keeper: Actor, page: str) -> dict[str, Any]:
    """Return what the frame of these pages needs."""
    return {
        "section": "distribution",
        "page": page,
        "kept": keeper.permissions,
        "keeps_all": keeper.scope.region_wide,
    }
