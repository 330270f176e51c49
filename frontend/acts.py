"""Doing what a form asks for: what is not taken is said at the form, what was done is said above the next page."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from registry.consent.blocks import GuardianBlock, RepeatedBlock
from registry.consent.lifts import AbsoluteBlock
from registry.noted import EndedEntry, InvalidEntry
from registry.review.findings import UnfinishedReview

ACT = "act"
"""Marks what the pages say; what the login says of itself is said on its own pages."""


def posted(request: HttpRequest) -> QueryDict | None:
    """Return what was sent, even if it is nothing; None for a page that is only looked at."""
    return request.POST if request.method == "POST" else None


def attempt(form: forms.Form, act: Callable[[], Any]) -> bool:
    """Do it; what is not taken becomes an error of the form, beside the field that it names at its beginning."""
    try:
        act()
    except (InvalidEntry, EndedEntry) as error:
        name, _colon, why = str(error).partition(": ")
        if why and name in form.fields:
            form.add_error(name, _("This was not taken: %(why)s.") % {"why": why})
        else:
            form.add_error(None, say_error(error))
        return False
    return True


def attempt_plain(request: HttpRequest, act: Callable[[], Any], done: str) -> None:
    """Do what has no form of its own, and say above the next page whether it was done."""
    try:
        act()
    except (InvalidEntry, EndedEntry) as error:
        tell(request, say_error(error), is_fault=True)
    else:
        tell(request, done)


def tell(request: HttpRequest, words: str, *, is_fault: bool = False) -> None:
    """Say above the next page what was done, or why not; it names no patient."""
    level = messages.ERROR if is_fault else messages.SUCCESS
    messages.add_message(request, level, words, extra_tags=ACT)


def say_error(error: Exception) -> str:
    """Say in words why the registry did not take something."""
    words: dict[type[Exception], str] = {
        GuardianBlock: _("A guardian cannot block a child's data."),
        RepeatedBlock: _("The same data are blocked already."),
        AbsoluteBlock: _("The block is absolute: nothing opens it but its cancellation."),
        UnfinishedReview: _("Some accesses of the sample have no finding yet."),
        EndedEntry: _("It has ended already, or its time is over."),
    }
    return words.get(type(error)) or _("This was not taken: %(why)s.") % {"why": error}
