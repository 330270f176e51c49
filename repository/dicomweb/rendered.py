"""WADO-RS rendered resources: pictures of images, films of videos, pages of documents, at every level.

Standard: PS3.18 10.4.1.1.3, 8.7.4, 8.7.8.1
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase

from access import audit
from access.actor import Actor
from registry.visibility import UnknownStudy, VisibleStudy
from registry.wire.media_types import NotAcceptable, Offer, media_type_of_frames
from repository import renditions, retrieve, stored_frames
from repository.dicomweb.answers import answer_parts, negotiate_for, permitted
from repository.dicomweb.base_url import dicomweb_base
from repository.dicomweb.charsets import choose_charset
from repository.dicomweb.recheck import recheck_each_series
from repository.dicomweb.rendered_parts import Part, answer_part, list_facts, make_items
from repository.documents import list_document_types
from repository.films import MP4
from repository.picture_encoding import GIF, PICTURE_TYPES
from repository.pixels import NotAnImage
from repository.presentation_state import is_state, list_referenced_images
from repository.rendering_parameters import InvalidRenderingParameter, Rendering, read_rendering
from repository.renditions import IMAGE, OTHER, STATE, TEXT, VIDEO, categorize
from repository.retrieve import StoredInstance

MOVING_TYPES = (GIF, MP4)
"""What holds several frames in one item."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to show of one instance: parts without their type yet, and the types they can have."""

    parts: tuple[Part, ...]
    media_types: tuple[str, ...]


def retrieve_rendered(
    request: HttpRequest,
    actor: Actor,
    study: str,
    series: str | None = None,
    instance: str | None = None,
    frames: str | None = None,
) -> HttpResponseBase:
    """Answer with what a study, a series, an instance or frames look like."""
    rendering = read_rendering(dict(request.GET.lists()))
    numbers = stored_frames.parse_frame_list(frames) if frames is not None else None
    row, items = permitted(actor, study, series, instance)
    is_whole = True
    if len(items) == 1:
        prefers_parts = instance is None
        parts, is_multipart = _plan_instance(
            request, row, items[0], numbers, rendering, prefers_parts=prefers_parts
        )
    else:
        parts, is_whole = _plan_several(request, row, items, rendering)
        is_multipart = True
    _check_profile(parts, rendering)
    audit.count(actor, study, door="wado", frames=sum(len(part.numbers) or 1 for part in parts))
    if not is_multipart:
        return warn_of_annotations(request, rendering, answer_part(request, actor, parts[0], rendering))
    charset = choose_charset(request)
    facts = (fact for part in parts for fact in list_facts(part, rendering, charset))
    holder = actor if len(parts) > 1 or len(parts[0].numbers) > 1 else None
    asked_again = recheck_each_series(actor, [part.item for part in parts], parts)
    made = make_items(request, asked_again, rendering)
    response = answer_parts(request, holder, parts[0].media_type, facts, made)
    if not is_whole and response.status_code == 200:
        response.status_code = 206
    return warn_of_annotations(request, rendering, response)


def warn_of_annotations(
    request: HttpRequest, rendering: Rendering, response: HttpResponseBase
) -> HttpResponseBase:
    """Say in the answer which annotations were asked for that mean nothing here.

    Standard: PS3.18 8.3.5.1.1
    """
    if rendering.unknown_annotations:
        names = ",".join(rendering.unknown_annotations)
        service = dicomweb_base(request)
        response["Warning"] = f"299 {service}: The following annotation values are not supported: {names}"
    return response


def find_shown(
    row: VisibleStudy, item: StoredInstance, numbers: tuple[int, ...] | None, rendering: Rendering
) -> Shown:
    """Return what there is to show of an instance, of an image all frames or those asked for.

    Raises
    ------
    FrameOutOfRange
        A frame is asked for that is not there.
    NotAnImage
        There is nothing to show.
    InvalidRenderingParameter
        A presentation state was asked for with a window, or with a region.
    """
    category = categorize(item)
    if category == IMAGE or numbers is not None:
        return show_frames((Part(item, "", renditions.check_numbers(item, numbers)),))
    if category == STATE:
        return show_frames(_find_presented(row, item, rendering))
    if category == VIDEO:
        return Shown((Part(item, ""),), (media_type_of_frames(item.transfer_syntax_uid),))
    if category == TEXT:
        return Shown((Part(item, ""),), list_document_types(item))
    if is_state(item.sop_class_uid):
        raise NotAnImage(
            "presentation states of this kind (of volumes, or blending more than two images) are not shown here:"
            " ask for the images themselves"
        )
    raise NotAnImage("the instance has nothing that could be shown: no pixel data, no text, no document")


def show_frames(parts: tuple[Part, ...]) -> Shown:
    """Return parts that are frames with the types they can have; several frames may be a film."""
    is_film = any(len(part.numbers) > 1 for part in parts)
    return Shown(parts, (*PICTURE_TYPES, MP4) if is_film else PICTURE_TYPES)


def _plan_instance(
    request: HttpRequest,
    row: VisibleStudy,
    item: StoredInstance,
    numbers: tuple[int, ...] | None,
    rendering: Rendering,
    *,
    prefers_parts: bool,
) -> tuple[list[Part], bool]:
    """Return the parts to answer with, typed, and whether the answer is a multipart one.

    Alone, an image of many frames is shown by its first one, or as a GIF or a film by all of them.
    """
    shown = find_shown(row, item, numbers, rendering)
    is_list = numbers is not None and len(numbers) > 1
    kinds = (True, False) if is_list or prefers_parts else (False, True)
    offers = [
        Offer(media_type, multipart=multipart)
        for multipart in kinds
        for media_type in shown.media_types
        if multipart or not is_list or media_type in MOVING_TYPES
    ]
    choice = negotiate_for(request, offers)
    media_type = choice.offer.media_type
    if choice.offer.multipart:
        return [_type(part, media_type) for part in shown.parts], True
    part = _type(shown.parts[0], media_type)
    if part.numbers and media_type not in MOVING_TYPES:
        part = Part(part.item, media_type, part.numbers[:1], part.state)
    return [part], False


def _plan_several(
    request: HttpRequest, row: VisibleStudy, items: Sequence[StoredInstance], rendering: Rendering
) -> tuple[list[Part], bool]:
    """Return the parts of many instances, each in the best type for its category, and whether nothing is left out.

    Raises
    ------
    NotAcceptable
        Nothing of them can be sent as wanted.
    """
    parts: list[Part] = []
    is_whole = True
    refusal: Exception = NotAcceptable("nothing in it can be shown")
    for item in items:
        if categorize(item) == OTHER:
            is_whole = False
            continue
        try:
            shown = find_shown(row, item, None, rendering)
            offers = [Offer(media_type, multipart=True) for media_type in shown.media_types]
            media_type = negotiate_for(request, offers).offer.media_type
        except (NotAcceptable, NotAnImage) as error:
            is_whole, refusal = False, error
            continue
        parts += [_type(part, media_type) for part in shown.parts]
    if not parts:
        raise refusal
    return parts, is_whole


def _type(part: Part, media_type: str) -> Part:
    return Part(part.item, media_type, part.numbers, part.state)


def _find_presented(row: VisibleStudy, item: StoredInstance, rendering: Rendering) -> tuple[Part, ...]:
    """Return the images that a presentation state shows, as far as they are in the same study and at hand."""
    check_state_parameters(rendering)
    state = renditions.read_state(item, row)
    parts = []
    for reference in list_referenced_images(state.attributes):
        try:
            [image] = retrieve.find_instances(row, reference.series_instance_uid, reference.sop_instance_uid)
        except UnknownStudy:
            continue
        if categorize(image) == IMAGE:
            numbers = renditions.check_numbers(image, reference.frame_numbers or None)
            parts.append(Part(image, "", numbers, state))
    if not parts:
        raise NotAnImage("none of the images that the presentation state refers to is here")
    return tuple(parts)


def check_state_parameters(rendering: Rendering) -> None:
    """Refuse what cannot be asked for where a presentation state decides.

    Raises
    ------
    InvalidRenderingParameter
        There is a window, or a region of the source.

    Standard: PS3.18 8.3.5.1.3, 8.3.5.1.4
    """
    viewport = rendering.viewport
    if rendering.window is not None:
        raise InvalidRenderingParameter("a presentation state has its own window: leave out the parameter")
    if viewport is not None and (
        viewport.source_x or viewport.source_y or viewport.source_width or viewport.source_height
    ):
        raise InvalidRenderingParameter("the viewport of a presentation state is vw,vh and nothing else")


def _check_profile(parts: Sequence[Part], rendering: Rendering) -> None:
    """Refuse a profile in a picture that can hold none, before anything is sent."""
    if rendering.icc_profile in (None, "no"):
        return
    for part in parts:
        if part.media_type in MOVING_TYPES:
            raise InvalidRenderingParameter(
                f"{part.media_type} holds no ICC profile: leave iccprofile out, or say no"
            )
