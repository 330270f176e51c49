"""WADO-URI: one instance by query parameters, as a DICOM file or rendered.

The same permissions, the same log, the same pictures as WADO-RS.

Standard: PS3.18 9
"""

from functools import partial

from django.http import HttpRequest, HttpResponseBase

from access import audit
from access.actor import Actor
from registry.visibility import UnknownStudy, VisibleStudy
from registry.wire.media_types import NotAcceptable, Offer, negotiate
from repository import renditions, retrieve, stored_bulk, stored_frames
from repository.dicomweb.answers import Item, answer_item, count_instances, instance_url, permitted
from repository.dicomweb.base_url import dicomweb_base
from repository.dicomweb.rendered import (
    MOVING_TYPES,
    Shown,
    check_state_parameters,
    find_shown,
    show_frames,
    warn_of_annotations,
)
from repository.dicomweb.rendered_parts import Part, answer_part
from repository.dicomweb.wado_uri_parameters import DICOM, InvalidUriRequest, UriRequest, read_uri_request
from repository.pixels import NotAnImage
from repository.presentation_state import list_referenced_images
from repository.renditions import IMAGE, STATE, categorize
from repository.retrieve import DEFAULT, NOT_ON_THE_WIRE, StoredInstance


def retrieve_uri(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Answer with one instance."""
    asked = read_uri_request(dict(request.GET.lists()))
    row, [item] = permitted(
        actor, asked.study_instance_uid, asked.series_instance_uid, asked.sop_instance_uid
    )
    shown = _find_shown(row, item, asked)
    offers = [*(Offer(media_type) for media_type in shown.media_types), Offer(DICOM)]
    if asked.content_type:
        # Only what was asked for by name: that a browser accepts everything is no wish.
        media_type = negotiate(asked.content_type, None, offers).offer.media_type
    else:
        media_type = negotiate(None, request.headers.get("Accept"), offers).offer.media_type
    if media_type == DICOM:
        return _answer_file(request, actor, item, asked)
    [first, *_] = shown.parts
    numbers = first.numbers if media_type in MOVING_TYPES else first.numbers[:1]
    audit.count(actor, row.study_instance_uid, door="wado", frames=len(numbers) or 1)
    part = Part(first.item, media_type, numbers, first.state)
    response = answer_part(request, actor, part, asked.rendering)
    response["Content-Location"] = f"{instance_url(dicomweb_base(request), item)}/rendered"
    return warn_of_annotations(request, asked.rendering, response)


def _find_shown(row: VisibleStudy, item: StoredInstance, asked: UriRequest) -> Shown:
    """Return what there is to show of an instance; nothing where it can be sent as a file only.

    Raises
    ------
    InvalidUriRequest
        The frame or the presentation state is not there, or does not belong to the instance.

    Standard: PS3.18 9.5.2.1, 9.5.2.3
    """
    category = categorize(item)
    if asked.frame_number is not None:
        # An image of one frame has frame 1: nothing else could be meant.
        count = stored_frames.count_frames(item) if category == IMAGE else 0
        if asked.frame_number > count:
            raise InvalidUriRequest(
                f"frameNumber is {asked.frame_number}, and the instance has {count} frames"
            )
    if asked.presentation is not None:
        return _find_presented(row, item, asked, asked.presentation)
    if category == STATE and asked.rendering.region is not None:
        raise InvalidUriRequest("a presentation state has its own displayed area: leave out region")
    numbers = None if asked.frame_number is None else (asked.frame_number,)
    try:
        return find_shown(row, item, numbers, asked.rendering)
    except NotAnImage:
        return Shown((), ())


def _find_presented(
    row: VisibleStudy, item: StoredInstance, asked: UriRequest, presentation: tuple[str, str]
) -> Shown:
    """Return an image as a presentation state of the same study shows it."""
    check_state_parameters(asked.rendering)
    try:
        [stored] = retrieve.find_instances(row, *presentation)
    except UnknownStudy as error:
        raise InvalidUriRequest("there is no such presentation state in the study") from error
    if categorize(stored) != STATE or categorize(item) != IMAGE:
        raise InvalidUriRequest("presentationUID must name a presentation state, and objectUID an image")
    state = renditions.read_state(stored, row)
    for reference in list_referenced_images(state.attributes):
        if reference.sop_instance_uid == item.sop_instance_uid:
            numbers = renditions.check_numbers(item, reference.frame_numbers or None)
            return show_frames((Part(item, "", numbers, state),))
    raise InvalidUriRequest("the presentation state is about other images than this one")


def _answer_file(
    request: HttpRequest, actor: Actor, item: StoredInstance, asked: UriRequest
) -> HttpResponseBase:
    """Answer with the PS3.10 file; its Content-Type names no transfer syntax here.

    Standard: PS3.18 9.4, 8.7.3.5.2
    """
    wanted = asked.transfer_syntax_uid or DEFAULT
    if wanted in NOT_ON_THE_WIRE:
        raise NotAcceptable(
            f"transfer syntax {wanted} is never used in web services: ask for another, or for *"
        )
    target = retrieve.syntax_to_send(item, wanted)
    count_instances(actor, asked.study_instance_uid, [item])
    facts = (item.sha256, b"file by URI", target.encode())
    length = item.length if target == item.transfer_syntax_uid else None
    if length is None:
        answer = Item(DICOM, "", facts, None, lambda *_: retrieve.stream_file(item, target))
    else:
        answer = Item(DICOM, "", facts, length, partial(stored_bulk.read_extents, item, ((0, length),)))
    response = answer_item(request, actor, answer, item.length)
    response["Content-Location"] = instance_url(dicomweb_base(request), item)
    return response
