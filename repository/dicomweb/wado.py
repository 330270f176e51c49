"""WADO-RS: study, series, instance and their metadata.

Standard: PS3.18 10.4
"""

from collections.abc import Iterator, Sequence
from functools import partial

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from access.actor import Actor
from registry.wire.dicom_json import absolute_bulk_data_uris, stream_absolute_bulk_data_uris
from registry.wire.media_types import Offer
from repository import metadata, retrieve, stored_bulk
from repository.dicomweb import bulk_data
from repository.dicomweb.answers import (
    DICOM,
    OCTET_STREAM,
    Item,
    admitted,
    answer_item,
    answer_parts,
    count_instances,
    instance_url,
    negotiate_for,
    permitted,
    permitted_documents,
    start,
)
from repository.dicomweb.base_url import dicomweb_base, origin_of
from repository.dicomweb.offers import instance_syntaxes
from repository.retrieve import DEFAULT, StoredInstance

JSON_OFFERS = (Offer("application/dicom+json"), Offer("application/json"))
METADATA = {"Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding, Authorization, Cookie"}


def retrieve_instances(
    request: HttpRequest, actor: Actor, study: str, series: str | None = None, instance: str | None = None
) -> HttpResponseBase:
    """Answer with the PS3.10 files of a study, series or instance; or with its bulk data, as older clients ask."""
    _, items = permitted(actor, study, series, instance)
    choice = negotiate_for(request, _list_offers(items, single=instance is not None))
    if choice.offer.media_type == OCTET_STREAM:
        return bulk_data.answer_bulk_data(request, actor, items, single=False)
    targets = [retrieve.syntax_to_send(item, choice.transfer_syntax) for item in items]
    count_instances(actor, study, items)
    if not choice.offer.multipart:
        return answer_item(request, actor, _make_item(items[0], targets[0]), items[0].length)
    base = dicomweb_base(request)
    facts = (fact for item, target in zip(items, targets, strict=True) for fact in _facts_of(item, target))
    parts = (
        Item(
            f"{DICOM}; transfer-syntax={target}", instance_url(base, item), (), None, partial(_pass_on, file)
        )
        for item, target, file in zip(items, targets, retrieve.stream_files(items, targets), strict=True)
    )
    return answer_parts(request, admitted(actor, items), DICOM, facts, parts)


def _list_offers(items: Sequence[StoredInstance], *, single: bool) -> list[Offer]:
    """List what instances can be sent as.

    Standard: PS3.18 10.4.4
    """
    syntaxes = instance_syntaxes(items)
    offers = [Offer(DICOM, True, syntaxes, DEFAULT), Offer(OCTET_STREAM, True, syntaxes, DEFAULT)]
    return [*offers, Offer(DICOM, False, syntaxes, DEFAULT)] if single else offers


def _make_item(item: StoredInstance, target: str) -> Item:
    """Describe one file as the whole answer; what is sent as it is stored can be sent in part."""
    content_type = f"{DICOM}; transfer-syntax={target}"
    facts = _facts_of(item, target)
    if target != item.transfer_syntax_uid:
        return Item(content_type, "", facts, None, lambda *_: retrieve.stream_file(item, target))
    extents = ((0, item.length),)
    return Item(content_type, "", facts, item.length, partial(stored_bulk.read_extents, item, extents))


def _facts_of(item: StoredInstance, target: str) -> tuple[bytes, ...]:
    return item.sha256, b"file", target.encode()


def _pass_on(pieces: Iterator[bytes], *_: int) -> Iterator[bytes]:
    return pieces


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


def _takes_zstd(request: HttpRequest) -> bool:
    """Tell whether the client names zstd itself; `*` is no promise that it can read it.

    Standard: RFC 9110 12.5.3
    """
    for offer in request.META.get("HTTP_ACCEPT_ENCODING", "").lower().split(","):
        name, _, weight = offer.replace(" ", "").partition(";q=")
        if name == "zstd":
            return not weight or weight.strip("0.") != ""
    return False
