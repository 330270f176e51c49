"""WADO-RS rendered resources.

Standard: PS3.18 10.4.1.1.3
"""

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from access import audit
from access.actor import Actor
from registry.wire.media_types import Offer
from repository import retrieve, stored_frames
from repository.decode import decode_frame
from repository.dicomweb.answers import PRIVATE, negotiate_for, permitted
from repository.render import parse_quality, parse_viewport, parse_window, render_frame

RENDERED_OFFERS = (Offer("image/jpeg"), Offer("image/png"))


def retrieve_rendered(
    request: HttpRequest, actor: Actor, study: str, series: str, instance: str, frames: str = "1"
) -> HttpResponseBase:
    """Answer with one frame as JPEG or PNG."""
    choice = negotiate_for(request, RENDERED_OFFERS)
    query = request.GET
    window = parse_window(query["window"]) if "window" in query else None
    viewport = parse_viewport(query["viewport"]) if "viewport" in query else None
    quality = parse_quality(query["quality"]) if "quality" in query else 90
    numbers = stored_frames.parse_frame_list(frames)
    if len(numbers) > 1:
        raise stored_frames.MalformedFrameList("one frame at a time can be rendered")
    _, [item] = permitted(actor, study, series, instance)
    payload, description, attributes = stored_frames.read_frame_to_decode(item, numbers[0])
    audit.count(actor, study, door="wado", frames=1)
    image = render_frame(
        decode_frame(payload, description),
        description,
        attributes,
        frame_index=numbers[0] - 1,
        window=window,
        viewport=viewport,
        media_type=choice.offer.media_type,
        quality=quality,
        read_bulk=lambda path: b"".join(retrieve.read_bulk_value(item, path)),
    )
    return HttpResponse(image, content_type=choice.offer.media_type, headers=PRIVATE)
