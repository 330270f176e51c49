"""WADO-RS: study, series, instance, metadata, frames, bulk data.

Standard: PS3.18 10.4
"""

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from access import audit
from access.actor import Actor
from registry.wire.dicom_json import absolute_bulk_data_uris, stream_absolute_bulk_data_uris
from registry.wire.media_types import Offer, media_type_of_frames
from registry.wire.multipart_related import new_boundary
from repository import metadata, retrieve, stored_frames
from repository.dicomweb.answers import (
    DICOM,
    OCTET_STREAM,
    PRIVATE,
    admitted,
    count_instances,
    instance_url,
    multipart,
    multipart_type,
    negotiate_for,
    permitted,
    permitted_documents,
    start,
    stream,
)
from repository.dicomweb.base_url import dicomweb_base, origin_of
from repository.dicomweb.offers import frame_offers, instance_syntaxes
from repository.retrieve import DEFAULT

JSON_OFFERS = (Offer("application/dicom+json"), Offer("application/json"))
METADATA = {"Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding, Authorization, Cookie"}


def retrieve_instances(
    request: HttpRequest, actor: Actor, study: str, series: str | None = None, instance: str | None = None
) -> HttpResponseBase:
    """Answer with the PS3.10 files of a study, series or instance."""
    _, items = permitted(actor, study, series, instance)
    syntaxes = instance_syntaxes(items)
    offers = [Offer(DICOM, multipart=True, transfer_syntaxes=syntaxes, default_transfer_syntax=DEFAULT)]
    if instance is not None:
        offers.append(Offer(DICOM, transfer_syntaxes=syntaxes, default_transfer_syntax=DEFAULT))
    choice = negotiate_for(request, offers)
    targets = [retrieve.syntax_to_send(item, choice.transfer_syntax) for item in items]
    count_instances(actor, study, items)
    if not choice.offer.multipart:
        body = start(retrieve.stream_file(items[0], choice.transfer_syntax))
        return stream(body, f"{DICOM}; transfer-syntax={targets[0]}", actor=admitted(actor, items))
    boundary = new_boundary()
    base = dicomweb_base(request)
    parts = (
        (f"{DICOM}; transfer-syntax={target}", instance_url(base, item), file)
        for item, target, file in zip(items, targets, retrieve.stream_files(items, targets), strict=True)
    )
    body = start(multipart(boundary, parts))
    return stream(body, multipart_type(DICOM, boundary), actor=admitted(actor, items))


def retrieve_metadata(
    request: HttpRequest, actor: Actor, study: str, series: str | None = None, instance: str | None = None
) -> HttpResponseBase:
    """Answer with the DICOM JSON of a study, series or instance."""
    choice = negotiate_for(request, JSON_OFFERS)
    origin = origin_of(request)
    if instance is not None:
        _, [item] = permitted(actor, study, series, instance)
        document = absolute_bulk_data_uris(retrieve.read_document(item), origin)
        body = b"[" + document + b"]"
        return HttpResponse(body, content_type=choice.offer.media_type, headers=METADATA)
    plans = permitted_documents(actor, study, series)
    if _takes_zstd(request) and all(plan.is_whole for plan in plans):
        pieces = start(metadata.stream_compressed(plans))
        headers = {**METADATA, "Content-Encoding": "zstd"}
    else:
        pieces = start(stream_absolute_bulk_data_uris(metadata.stream_plain(plans), origin))
        headers = METADATA
    return StreamingHttpResponse(pieces, content_type=choice.offer.media_type, headers=headers)


def retrieve_frames(
    request: HttpRequest, actor: Actor, study: str, series: str, instance: str, frames: str
) -> HttpResponseBase:
    """Answer with frames in the order of the list."""
    numbers = stored_frames.parse_frame_list(frames)
    _, [item] = permitted(actor, study, series, instance)
    choice = negotiate_for(request, frame_offers(item, single=len(numbers) == 1))
    target = stored_frames.frame_syntax_to_send(item, choice.transfer_syntax)
    audit.count(actor, study, door="wado", frames=len(numbers))
    media_type = f"{media_type_of_frames(target)}; transfer-syntax={target}"
    payloads = start(stored_frames.read_frames(item, numbers, target))
    if not choice.offer.multipart:
        return HttpResponse(next(payloads), content_type=media_type, headers=PRIVATE)
    boundary = new_boundary()
    url = instance_url(dicomweb_base(request), item)
    parts = (
        (media_type, f"{url}/frames/{number}", iter((payload,)))
        for number, payload in zip(numbers, payloads, strict=True)
    )
    body = start(multipart(boundary, parts))
    return stream(body, multipart_type(media_type_of_frames(target), boundary), actor=None)


def retrieve_bulk_data(
    request: HttpRequest, actor: Actor, study: str, series: str, instance: str, path: str
) -> HttpResponseBase:
    """Answer with one bulk value as it is stored."""
    _, [item] = permitted(actor, study, series, instance)
    value = start(retrieve.read_bulk_value(item, path))
    choice = negotiate_for(request, (Offer(OCTET_STREAM), Offer(OCTET_STREAM, multipart=True)))
    if not choice.offer.multipart:
        return stream(value, OCTET_STREAM, actor=admitted(actor, [item]))
    boundary = new_boundary()
    url = f"{instance_url(dicomweb_base(request), item)}/bulkdata/{path}"
    body = multipart(boundary, iter(((OCTET_STREAM, url, value),)))
    return stream(body, multipart_type(OCTET_STREAM, boundary), actor=admitted(actor, [item]))


def _takes_zstd(request: HttpRequest) -> bool:
    """Tell whether the client names zstd itself; `*` is no promise that it can read it.

    Standard: RFC 9110 12.5.3
    """
    for offer in request.META.get("HTTP_ACCEPT_ENCODING", "").lower().split(","):
        name, _, weight = offer.replace(" ", "").partition(";q=")
        if name == "zstd":
            return not weight or weight.strip("0.") != ""
    return False
