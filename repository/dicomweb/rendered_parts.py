"""What a rendered answer is made of: pictures, films and pages, each with its type, its place and its bytes.

Standard: PS3.18 8.7.4
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers

from access.actor import Actor
from repository import documents, renditions, stored_bulk
from repository.conditions import is_not_modified, make_tag
from repository.dicomweb.answers import PRIVATE, Item, answer_item, instance_url, not_modified
from repository.dicomweb.base_url import dicomweb_base
from repository.dicomweb.charsets import choose_charset, encode_text
from repository.documents import HTML, PLAIN, XML
from repository.films import MP4
from repository.picture_encoding import JPEG, PICTURE_TYPES
from repository.rendering_parameters import DEFAULT_QUALITY, Rendering
from repository.renditions import PresentationState
from repository.retrieve import StoredInstance

# A page of a document is read, not run: nothing is loaded into it, and it has no origin.
_PAGE_POLICY = "default-src 'none'; frame-ancestors 'self'; sandbox"
_FILE_POLICY = "default-src 'none'; object-src 'self'; media-src 'self'; frame-ancestors 'self'"
_TEXTS = (HTML, PLAIN, XML)


@dataclass(frozen=True, slots=True)
class Part:
    """Something to show of one instance: frames as pictures or as a film, or all of it where it is no image."""

    item: StoredInstance
    media_type: str
    numbers: tuple[int, ...] = ()
    state: PresentationState | None = None

    @property
    def is_animation(self) -> bool:
        """Whether its frames become one picture that moves, or a film."""
        return renditions.is_animation(self.media_type, self.numbers)


def answer_part(request: HttpRequest, actor: Actor, part: Part, rendering: Rendering) -> HttpResponseBase:
    """Answer with one part alone; what the client has already is not made again."""
    charset = choose_charset(request)
    facts = list_facts(part, rendering, charset)
    headers = {**PRIVATE, "ETag": make_tag(facts)}
    if is_not_modified(request, headers["ETag"]):
        return not_modified(headers)
    item = next(make_items(request, [part], rendering))
    response = answer_item(request, actor, replace(item, facts=facts), part.item.length)
    if part.media_type not in PICTURE_TYPES:
        _protect(response, part)
    return response


def make_items(request: HttpRequest, parts: Iterable[Part], rendering: Rendering) -> Iterator[Item]:
    """Describe parts one after the other, a picture for each frame; read each before the next is asked for."""
    base, charset = dicomweb_base(request), choose_charset(request)
    for part in parts:
        url = instance_url(base, part.item)
        exact = _normalize(rendering, part.media_type)
        if part.media_type in PICTURE_TYPES and not part.is_animation:
            pictures = renditions.render_frames(part.item, part.numbers, exact, part.media_type, part.state)
            for number, picture in zip(part.numbers, pictures, strict=True):
                place = f"{url}/frames/{number}/rendered" if part.state is None else f"{url}/rendered"
                yield _make_item(part.media_type, place, picture)
        elif part.is_animation:
            yield _make_film_item(part, exact, f"{url}/rendered")
        else:
            yield _make_document_item(request, part, f"{url}/rendered", charset)


def list_facts(part: Part, rendering: Rendering, charset: str) -> tuple[bytes, ...]:
    """Return what determines the bytes of a part."""
    exact = _normalize(rendering, part.media_type)
    name = renditions.name_rendition(part.item, part.numbers, exact, part.media_type, part.state)
    return (name.encode(), charset.encode() if part.media_type in _TEXTS else b"")


def _normalize(rendering: Rendering, media_type: str) -> Rendering:
    """Return parameters without those that change nothing, so that equal pictures have one name."""
    quality = rendering.quality if media_type in (JPEG, MP4) else DEFAULT_QUALITY
    return replace(rendering, quality=quality, unknown_annotations=())


def _make_film_item(part: Part, rendering: Rendering, url: str) -> Item:
    """Describe what moves: a film that is at hand is sent by ranges, one that has to be made as it is made."""
    what = (part.item, part.numbers, rendering, part.media_type, part.state)
    found = renditions.find_film(*what)
    if found is not None:
        return _make_item(part.media_type, url, found)
    return Item(part.media_type, url, (), None, partial(_pass_on, renditions.render_animation(*what)))


def _make_document_item(request: HttpRequest, part: Part, url: str, charset: str) -> Item:
    item, media_type = part.item, part.media_type
    if documents.is_passed_on(media_type):
        return Item(media_type, url, (), None, lambda *_: documents.read_passed_document(item))
    if media_type not in _TEXTS:
        pixels = stored_bulk.find_bulk_value(item, stored_bulk.PIXEL_PATHS[0])
        value = stored_bulk.find_stream(item, pixels)
        return Item(
            media_type, url, (), value.length, partial(stored_bulk.read_extents, item, value.extents or ())
        )
    base = dicomweb_base(request)
    text = documents.render_text(
        item,
        media_type,
        lambda study, series, sop: f"{base}/studies/{study}/series/{series}/instances/{sop}/rendered",
    )
    if isinstance(text, bytes):
        return _make_item(media_type, url, text)
    return _make_item(
        f"{media_type}; charset={charset}", url, encode_text(text, charset, is_html=media_type == HTML)
    )


def _make_item(content_type: str, url: str, payload: bytes) -> Item:
    return Item(
        content_type, url, (), len(payload), lambda start, length: iter((payload[start : start + length],))
    )


def _pass_on(pieces: Iterator[bytes], *_: int) -> Iterator[bytes]:
    return pieces


def _protect(response: HttpResponseBase, part: Part) -> None:
    """Keep a browser from running, guessing or loading anything in a document."""
    is_page = part.media_type in _TEXTS
    response["Content-Security-Policy"] = _PAGE_POLICY if is_page else _FILE_POLICY
    response["X-Content-Type-Options"] = "nosniff"
    if is_page:
        patch_vary_headers(response, ("Accept-Charset",))
    else:
        ending = part.media_type.rpartition("/")[2]
        response["Content-Disposition"] = f'inline; filename="{part.item.sop_instance_uid}.{ending}"'
