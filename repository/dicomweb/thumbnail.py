"""WADO-RS thumbnails: one small picture that stands for a study, a series, an instance or a frame.

Standard: PS3.18 10.4.1.1.4, 8.3.5.2
"""

from collections.abc import Iterator
from functools import partial

from django.http import HttpRequest, HttpResponseBase

from access import audit
from access.actor import Actor
from registry.wire.media_types import Offer
from repository import renditions, stored_frames
from repository.conditions import is_not_modified, make_tag
from repository.dicomweb.answers import (
    PRIVATE,
    Item,
    answer_item,
    instance_url,
    negotiate_for,
    not_modified,
    permitted,
)
from repository.dicomweb.base_url import dicomweb_base
from repository.picture_encoding import PICTURE_TYPES
from repository.rendering_parameters import MAX_THUMBNAIL_SIDE, parse_size, read_single

OFFERS = tuple(Offer(media_type) for media_type in PICTURE_TYPES)


def retrieve_thumbnail(
    request: HttpRequest,
    actor: Actor,
    study: str,
    series: str | None = None,
    instance: str | None = None,
    frames: str | None = None,
) -> HttpResponseBase:
    """Answer with one small picture: of a list of frames the first, else the middle one of the middle image."""
    asked = read_single(dict(request.GET.lists()), "viewport")
    size = parse_size(asked, max_side=MAX_THUMBNAIL_SIDE) if asked is not None else None
    numbers = stored_frames.parse_frame_list(frames) if frames is not None else None
    _, items = permitted(actor, study, series, instance)
    media_type = negotiate_for(request, OFFERS).offer.media_type
    item, number = renditions.find_representative(items)
    if numbers is not None:
        number = renditions.check_numbers(item, numbers)[0]
    facts = (item.sha256, b"thumbnail", repr((renditions.VERSION, number, size, media_type)).encode())
    headers = {**PRIVATE, "ETag": make_tag(facts)}
    if is_not_modified(request, headers["ETag"]):
        return not_modified(headers)
    audit.count(actor, study, door="wado", frames=1)
    picture = renditions.render_stored_thumbnail(item, number, size, media_type)
    url = f"{instance_url(dicomweb_base(request), item)}/thumbnail"
    return answer_item(
        request, actor, Item(media_type, url, facts, len(picture), partial(_slice, picture)), len(picture)
    )


def _slice(picture: bytes, start: int, length: int) -> Iterator[bytes]:
    yield picture[start : start + length]
