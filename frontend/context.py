"""What every page's frame needs."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from access.authentication import pick_active, valid_assignments
from access.models import User
from access.rights import rights_of

THEMES = ("system", "light", "dark")
THEME_COOKIE = "theme"


@dataclass(frozen=True, slots=True)
class Theme:
    """One choice of the theme menu."""

    key: str
    name: str
    icon: str
    chosen: bool


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context of the page frame."""
    theme = read_theme(request)
    return {
        "product_name": "Samsyn",
        "theme": theme,
        "themes": _list_themes(theme),
        **_describe_person(request),
    }


def read_theme(request: HttpRequest) -> str:
    """Return the chosen theme; whatever is no theme is the system's."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in THEMES else "system"


def _describe_person(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    if not isinstance(user, User) or not user.is_active:
        return {"assignment": None, "has_choice_of_assignment": False, "rights": frozenset()}
    rows = valid_assignments(user)
    active = pick_active(request, rows)
    return {
        "assignment": active,
        "has_choice_of_assignment": len(rows) > 1,
        "rights": rights_of(active).permissions if active else frozenset(),
    }


def _list_themes(chosen: str) -> tuple[Theme, ...]:
    return (
        Theme("system", _("Like the system"), "icons/monitor.svg", chosen == "system"),
        Theme("light", _("Light"), "icons/sun.svg", chosen == "light"),
        Theme("dark", _("Dark"), "icons/moon.svg", chosen == "dark"),
    )
