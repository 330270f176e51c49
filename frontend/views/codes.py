"""Harmonised codes: how much of each source is understood, words that wait, and mapping one after a look at it.

Also the affinity domain in force, to read.
"""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from access.actor import Actor
from access.models import User
from frontend.code_form import MappingForm, name_draft, name_kind
from frontend.page import portal_page
from registry.affinity import affinity
from registry.harmonise.coverage import read_coverage
from registry.harmonise.mapping import apply_mapping, preview
from registry.models import CodeMapping, UnmappedWord

MAP = "map_codes"
WORDS_A_PAGE = 50
MAPPINGS_SHOWN = 20


@require_safe
@portal_page
def show_codes(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show coverage by source, the words that wait, and what was mapped last."""
    base = _base(request, actor, "codes")
    words = UnmappedWord.objects.filter(settled_at=None).select_related("department__unit")
    page = Paginator(words.order_by("-studies", "pk"), WORDS_A_PAGE).get_page(request.GET.get("page"))
    mapped = CodeMapping.objects.select_related("department__unit").order_by("-pk")[:MAPPINGS_SHOWN]
    context = base | {
        "coverage": read_coverage(),
        "words": [(word, name_kind(word.kind)) for word in page.object_list],
        "words_page": page,
        "mapped": [(row, name_kind(row.kind)) for row in mapped],
        "done": request.GET.get("done") == "1",
    }
    return render(request, "frontend/administration/codes.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@portal_page
def map_word(request: HttpRequest, actor: Actor, pk: int) -> HttpResponseBase:
    """Show what a word could mean; posted, what that would change; and when just that was seen, keep it."""
    base = _base(request, actor, "codes")
    word = UnmappedWord.objects.select_related("department__unit").filter(pk=pk).first()
    if word is None:
        raise Http404("no such word")
    form = MappingForm(request.POST if request.method == "POST" else None, initial=word.proposal)
    context: dict[str, Any] = base | {"word": word, "kind": name_kind(word.kind), "form": form}
    if request.method == "POST" and form.is_valid():
        draft = form.make_draft(word)
        seen = name_draft(draft)
        if request.POST.get("step") == "apply" and request.POST.get("seen") == seen:
            apply_mapping(actor, draft, door="portal")
            return redirect(f"{reverse('codes')}?done=1")
        context |= {"preview": preview(draft), "seen": seen}
    return render(request, "frontend/administration/map_word.html", context)


@require_safe
@portal_page
def show_affinity(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the affinity domain in force; it is changed in its file."""
    context = _base(request, actor, "affinity") | {"domain": affinity()}
    return render(request, "frontend/administration/affinity.html", context)


def _base(request: HttpRequest, actor: Actor, page: str) -> dict[str, Any]:
    """Let in who maps codes, and staff."""
    is_staff = isinstance(request.user, User) and request.user.is_staff
    if not is_staff and not actor.may(MAP):
        raise PermissionDenied(f"the assignment does not include the permission {MAP}")
    return {"section": "administration", "page": page, "is_staff": is_staff}
