"""QIDO-RS: search for studies, series and instances.

Standard: PS3.18 10.6
"""

from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from access import audit
from access.actor import Actor
from access.database import write_transaction
from registry.attributes import Attribute, Level
from registry.fragments import (
    IN_ALL_ANSWERS,
    default_fields,
    fill_base_url,
    render_instance,
    render_series,
    render_study,
)
from registry.models import Instance, Series, Study
from registry.reading import permit_reading
from registry.search import SearchPage, StudyFragment, count_matches
from registry.search import search as search_rows
from registry.visibility import explain_absence_in, series_of
from registry.wire.base_url import origin_of, prefix_of
from registry.wire.media_types import NotAcceptable, Offer, negotiate
from repository.dicomweb.base_url import dicomweb_base
from repository.dicomweb.content_coding import code_body
from repository.dicomweb.search_answers import OFFERS, PLAIN_JSON, write_answer
from repository.dicomweb.search_parameters import SearchRequest, parse_search
from repository.dicomweb.status import require
from repository.dicomweb.stored_attributes import add_stored

HEADERS = {"Cache-Control": "private, no-store", "Vary": "Accept, Accept-Encoding, Authorization, Cookie"}
MORE = "There are {remaining} additional results that can be requested"
MANY_MORE = "There are at least {remaining} additional results that can be requested"


def search(
    request: HttpRequest, actor: Actor, level: Level, study: str | None = None, series: str | None = None
) -> HttpResponse:
    """Answer with the rows of a level that match, below the study and series of the path if there are any.

    Raises
    ------
    Forbidden, NotAcceptable, MalformedAccept, InvalidSearch, SearchTooBroad
    UnknownStudy
        The study or series of the path does not exist, or the actor may not see it.
    """
    require(actor, "read")
    offer = _negotiate(request, OFFERS)
    query = request.META.get("QUERY_STRING", "")
    asked = parse_search(level, query, study, series)
    _check_path(actor, study, series)
    columns = ("fragment",) if asked.fields is None and level != "instance" else ()
    page = search_rows(level, asked.matches, asked.paging, actor, columns)
    _record(actor, level, query, study, results=len(page.rows))
    rows = _render(level, page.rows, asked.fields)
    base = dicomweb_base(request)
    if asked.stored:
        keys = [row.pk for row in page.rows]
        filled = (fill_base_url(row, base) for row in rows)
        origin = prefix_of(request) if settings.RELATIVE_BULK_DATA_URIS else origin_of(request)
        rows = add_stored(filled, level, keys, asked.stored, origin)
    content_type, body = write_answer(offer, rows, base, _list_tags(level, asked))
    body, coding = code_body(request, body)
    response = HttpResponse(body, content_type, headers=HEADERS | coding)
    _add_notes(response, request, asked, page)
    return response


def _list_tags(level: Level, asked: SearchRequest) -> tuple[str, ...]:
    fields = default_fields(level) if asked.fields is None else asked.fields
    parents = ("0020000D", "0020000E") if level == "instance" else ("0020000D",)
    return (*IN_ALL_ANSWERS, *parents, *(field.tag for field in fields), *asked.stored)


def count(
    request: HttpRequest, actor: Actor, level: Level, study: str | None = None, series: str | None = None
) -> HttpResponse:
    """Answer with how many rows a search on this level finds on all its pages: an extension.

    Raises
    ------
    Forbidden, NotAcceptable, MalformedAccept, InvalidSearch, SearchTooBroad, UnknownStudy
        As `search` does.
    """
    require(actor, "read")
    _negotiate(request, (PLAIN_JSON,))
    query = request.META.get("QUERY_STRING", "")
    asked = parse_search(level, query, study, series)
    _check_path(actor, study, series)
    found = count_matches(level, asked.matches, actor)
    _record(actor, level, query, study, count=found)
    return JsonResponse({"count": found}, headers=HEADERS)


def _negotiate(request: HttpRequest, offers: tuple[Offer, ...]) -> Offer:
    """Choose the format; text is always UTF-8.

    Standard: PS3.18 8.3.3.2, 8.7.8.1
    """
    charset = request.GET.get("charset", "utf-8").lower()
    if not {"utf-8", "utf8", "*"} & {part.split(";")[0].strip() for part in charset.split(",")}:
        raise NotAcceptable("the character set of every answer is UTF-8")
    return negotiate(request.GET.get("accept"), request.headers.get("Accept"), offers).offer


def _check_path(actor: Actor, study: str | None, series: str | None) -> None:
    if study is None:
        return
    row = permit_reading(actor, study, door="qido")
    if series is not None and not series_of(row.pk, series).exists():
        raise explain_absence_in(row.pk, series)


def _render(
    level: Level,
    rows: Iterable[StudyFragment | Study | Series | Instance],
    fields: tuple[Attribute, ...] | None,
) -> Iterable[bytes]:
    """Return the JSON object of each row: as rendered at registration where that holds all that was asked."""
    for row in rows:
        if isinstance(row, Instance):
            parent = row.series
            yield render_instance(row, parent.series_instance_uid, parent.study.study_instance_uid, fields)
        elif isinstance(row, StudyFragment) or fields is None:
            yield bytes(row.fragment)
        elif isinstance(row, Series):
            yield render_series(row, row.study.study_instance_uid, fields)
        else:
            yield render_study(row, fields)


def _record(actor: Actor, level: Level, query: str, study: str | None, **found: int) -> None:
    detail = {"level": level, "query": query[:4000], **found}
    with write_transaction():
        audit.record(actor, "search", door="qido", study_instance_uid=study or "", detail=detail)


def _add_notes(response: HttpResponse, request: HttpRequest, asked: SearchRequest, page: SearchPage) -> None:
    """Say what was left out: further rows with a link to them, attributes that cannot be included.

    Standard: PS3.18 8.3.4.3, 8.3.4.4.1, RFC 8288
    """
    notes = list(asked.warnings)
    if page.more:
        notes.append((MORE if page.is_all_known else MANY_MORE).format(remaining=page.remaining))
    if notes:
        service = dicomweb_base(request)
        response["Warning"] = ", ".join(f"299 {service}: {note}" for note in notes)
    if page.more and asked.paging.limit:
        pairs = parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True)
        kept = [(name, value) for name, value in pairs if name not in ("limit", "offset")]
        following = [*kept, ("limit", asked.paging.limit), ("offset", asked.paging.end)]
        url = f"{origin_of(request)}{quote(request.path)}?{urlencode(following)}"
        response["Link"] = f'<{url}>; rel="next"'
