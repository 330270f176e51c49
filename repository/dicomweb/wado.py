"""WADO-RS: study, series, instance, metadata, frames, bulk data, rendered.

Standard: PS3.18 10.4
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from access import audit
from access.actor import Actor
from access.database import release
from registry.visibility import VisibleStudy, permitted_study
from registry.wire.dicom_json import absolute_bulk_data_uris, stream_absolute_bulk_data_uris
from registry.wire.media_types import Choice, Offer, media_type_of_frames, negotiate
from registry.wire.multipart_related import close_delimiter, frame_part, new_boundary
from repository import metadata, retrieve, stored_frames
from repository.decode import decode_frame
from repository.dicomweb.admission import AdmittedDownload
from repository.dicomweb.base_url import dicomweb_base, origin_of
from repository.dicomweb.status import require
from repository.render import parse_quality, parse_viewport, parse_window, render_frame
from repository.retrieve import AS_STORED, DEFAULT, EXPLICIT_LITTLE_ENDIAN, NOT_ON_THE_WIRE, StoredInstance

DICOM = "application/dicom"
OCTET_STREAM = "application/octet-stream"
JSON_OFFERS = (Offer("application/dicom+json"), Offer("application/json"))
RENDERED_OFFERS = (Offer("image/jpeg"), Offer("image/png"))
METADATA = {"Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding, Authorization, Cookie"}
BLOCK_BYTES = 256 * 1024
TRANSFER_BYTES = 8 << 20  # what is larger holds its thread as long as a multi-instance answer does
PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Cookie"}


def retrieve_instances(
    request: HttpRequest, actor: Actor, study: str, series: str | None = None, instance: str | None = None
) -> HttpResponseBase:
    """Answer with the PS3.10 files of a study, series or instance."""
    _, items = _permitted(actor, study, series, instance)
    syntaxes = _syntaxes(items)
    offers = [Offer(DICOM, multipart=True, transfer_syntaxes=syntaxes, default_transfer_syntax=DEFAULT)]
    if instance is not None:
        offers.append(Offer(DICOM, transfer_syntaxes=syntaxes, default_transfer_syntax=DEFAULT))
    choice = _negotiate(request, offers)
    targets = [retrieve.syntax_to_send(item, choice.transfer_syntax) for item in items]
    _count(actor, study, items)
    if not choice.offer.multipart:
        body = _start(retrieve.stream_file(items[0], choice.transfer_syntax))
        return _stream(body, f"{DICOM}; transfer-syntax={targets[0]}", actor=_admitted(actor, items))
    boundary = new_boundary()
    base = dicomweb_base(request)
    parts = (
        (f"{DICOM}; transfer-syntax={target}", _url(base, item), file)
        for item, target, file in zip(items, targets, retrieve.stream_files(items, targets), strict=True)
    )
    body = _start(_multipart(boundary, parts))
    return _stream(body, _multipart_type(DICOM, boundary), actor=_admitted(actor, items))


def retrieve_metadata(
    request: HttpRequest, actor: Actor, study: str, series: str | None = None, instance: str | None = None
) -> HttpResponseBase:
    """Answer with the DICOM JSON of a study, series or instance."""
    choice = _negotiate(request, JSON_OFFERS)
    origin = origin_of(request)
    if instance is not None:
        _, [item] = _permitted(actor, study, series, instance)
        document = absolute_bulk_data_uris(retrieve.read_document(item), origin)
        body = b"[" + document + b"]"
        return HttpResponse(body, content_type=choice.offer.media_type, headers=METADATA)
    plans = _permitted_documents(actor, study, series)
    if _takes_zstd(request) and all(plan.is_whole for plan in plans):
        pieces = _start(metadata.stream_compressed(plans))
        headers = {**METADATA, "Content-Encoding": "zstd"}
    else:
        pieces = _start(stream_absolute_bulk_data_uris(metadata.stream_plain(plans), origin))
        headers = METADATA
    return StreamingHttpResponse(pieces, content_type=choice.offer.media_type, headers=headers)


def retrieve_frames(
    request: HttpRequest, actor: Actor, study: str, series: str, instance: str, frames: str
) -> HttpResponseBase:
    """Answer with frames in the order of the list."""
    numbers = stored_frames.parse_frame_list(frames)
    _, [item] = _permitted(actor, study, series, instance)
    choice = _negotiate(request, _frame_offers(item, single=len(numbers) == 1))
    target = stored_frames.frame_syntax_to_send(item, choice.transfer_syntax)
    audit.count(actor, study, door="wado", frames=len(numbers))
    media_type = f"{_media_type(target)}; transfer-syntax={target}"
    payloads = _start(stored_frames.read_frames(item, numbers, target))
    if not choice.offer.multipart:
        return HttpResponse(next(payloads), content_type=media_type, headers=PRIVATE)
    boundary = new_boundary()
    url = _url(dicomweb_base(request), item)
    parts = (
        (media_type, f"{url}/frames/{number}", iter((payload,)))
        for number, payload in zip(numbers, payloads, strict=True)
    )
    body = _start(_multipart(boundary, parts))
    return _stream(body, _multipart_type(_media_type(target), boundary), actor=None)


def retrieve_bulk_data(
    request: HttpRequest, actor: Actor, study: str, series: str, instance: str, path: str
) -> HttpResponseBase:
    """Answer with one bulk value as it is stored."""
    _, [item] = _permitted(actor, study, series, instance)
    value = _start(retrieve.read_bulk_value(item, path))
    choice = _negotiate(request, (Offer(OCTET_STREAM), Offer(OCTET_STREAM, multipart=True)))
    if not choice.offer.multipart:
        return _stream(value, OCTET_STREAM, actor=_admitted(actor, [item]))
    boundary = new_boundary()
    url = f"{_url(dicomweb_base(request), item)}/bulkdata/{path}"
    body = _multipart(boundary, iter(((OCTET_STREAM, url, value),)))
    return _stream(body, _multipart_type(OCTET_STREAM, boundary), actor=_admitted(actor, [item]))


def retrieve_rendered(
    request: HttpRequest, actor: Actor, study: str, series: str, instance: str, frames: str = "1"
) -> HttpResponseBase:
    """Answer with one frame as JPEG or PNG."""
    choice = _negotiate(request, RENDERED_OFFERS)
    query = request.GET
    window = parse_window(query["window"]) if "window" in query else None
    viewport = parse_viewport(query["viewport"]) if "viewport" in query else None
    quality = parse_quality(query["quality"]) if "quality" in query else 90
    numbers = stored_frames.parse_frame_list(frames)
    if len(numbers) > 1:
        raise stored_frames.MalformedFrameList("one frame at a time can be rendered")
    _, [item] = _permitted(actor, study, series, instance)
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


def _permitted_documents(actor: Actor, study: str, series: str | None) -> list[metadata.DocumentPlan]:
    require(actor, "read")
    row = permitted_study(actor, study)
    plans = metadata.plan_documents(row.pk, series)
    audit.touch(actor, study, row.person_id, door="wado")
    release()
    return plans


def _takes_zstd(request: HttpRequest) -> bool:
    """Tell whether the client names zstd itself; `*` is no promise that it can read it.

    Standard: RFC 9110 12.5.3
    """
    for offer in request.META.get("HTTP_ACCEPT_ENCODING", "").lower().split(","):
        name, _, weight = offer.replace(" ", "").partition(";q=")
        if name == "zstd":
            return not weight or weight.strip("0.") != ""
    return False


def _permitted(
    actor: Actor, study: str, series: str | None, instance: str | None
) -> tuple[VisibleStudy, list[StoredInstance]]:
    """Resolve the whole path for the actor, recorded before the first byte; frees the connection."""
    require(actor, "read")
    row = permitted_study(actor, study)
    items = retrieve.find_instances(row, series, instance)
    audit.touch(actor, study, row.person_id, door="wado")
    release()
    return row, items


def _negotiate(request: HttpRequest, offers: Sequence[Offer]) -> Choice:
    return negotiate(request.GET.get("accept"), request.headers.get("Accept"), offers)


def _syntaxes(items: Sequence[StoredInstance]) -> tuple[str, ...]:
    stored = {item.transfer_syntax_uid for item in items} - NOT_ON_THE_WIRE
    return (EXPLICIT_LITTLE_ENDIAN, *sorted(stored - {EXPLICIT_LITTLE_ENDIAN}))


def _frame_offers(item: StoredInstance, *, single: bool) -> list[Offer]:
    """List what frames can be sent as; what lossy frames are stored in comes before decoded ones."""
    stored = stored_frames.frame_syntax_to_send(item, AS_STORED)
    own_type = _media_type(stored)
    default = stored if own_type == OCTET_STREAM else EXPLICIT_LITTLE_ENDIAN
    offers = [(OCTET_STREAM, tuple(dict.fromkeys((EXPLICIT_LITTLE_ENDIAN, stored))), default)]
    if own_type != OCTET_STREAM:
        is_first = stored_frames.frame_syntax_to_send(item, DEFAULT) == stored
        offers.insert(0 if is_first else 1, (own_type, (stored,), stored))
    kinds = (True, False) if single else (True,)
    return [
        Offer(media_type, multipart=multipart, transfer_syntaxes=syntaxes, default_transfer_syntax=default)
        for multipart in kinds
        for media_type, syntaxes, default in offers
    ]


def _media_type(transfer_syntax_uid: str) -> str:
    return media_type_of_frames(transfer_syntax_uid)


def _multipart(boundary: str, parts: Iterator[tuple[str, str, Iterator[bytes]]]) -> Iterator[bytes]:
    is_first = True
    for content_type, location, payload in parts:
        head = next(payload, b"")  # what cannot be read fails before its headers are sent
        header = frame_part(boundary, content_type, content_location=location, first=is_first)
        if len(head) <= BLOCK_BYTES:  # one write to the socket is worth copying a block, not a whole frame
            header, head = header + head, b""
        yield header
        if head:
            yield head
        yield from payload
        is_first = False
    yield close_delimiter(boundary)


def _multipart_type(media_type: str, boundary: str) -> str:
    return f'multipart/related; type="{media_type}"; boundary="{boundary}"'


def _start(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Produce the first piece now, so that what cannot be read fails before the status line."""
    first = next(pieces, b"")
    return chain((first,), pieces)


def _stream(body: Iterator[bytes], content_type: str, *, actor: Actor | None) -> StreamingHttpResponse:
    admitted = AdmittedDownload(actor, body) if actor is not None else body
    return StreamingHttpResponse(admitted, content_type=content_type, headers=PRIVATE)


def _admitted(actor: Actor, items: Sequence[StoredInstance]) -> Actor | None:
    """Return who must have a place for this answer; None when it is short."""
    return actor if len(items) > 1 or items[0].length > TRANSFER_BYTES else None


def _count(actor: Actor, study: str, items: Sequence[StoredInstance]) -> None:
    size = sum(item.length for item in items)
    audit.count(actor, study, door="wado", instances=len(items), bytes_sent=size)


def _url(base: str, item: StoredInstance) -> str:
    return (
        f"{base}/studies/{item.study_instance_uid}/series/{item.series_instance_uid}"
        f"/instances/{item.sop_instance_uid}"
    )
