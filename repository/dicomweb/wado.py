"""WADO-RS: the files of a study, a series or an instance.

Standard: PS3.18 10.4
"""

from collections.abc import Iterator, Sequence
from functools import partial

from django.http import HttpRequest, HttpResponseBase

from access.actor import Actor
from registry.wire.media_types import Offer
from registry.wire.zip_archive import ZippedFile, stream_zip
from repository import retrieve, stored_bulk
from repository.conditions import check_if_match, is_not_modified, make_tag
from repository.dicomweb import bulk_data
from repository.dicomweb.answers import (
    DICOM,
    OCTET_STREAM,
    PRIVATE,
    ZIP,
    Item,
    admitted,
    answer_item,
    answer_parts,
    count_instances,
    instance_url,
    negotiate_for,
    not_modified,
    permitted,
    start,
    stream,
)
from repository.dicomweb.base_url import dicomweb_base
from repository.dicomweb.offers import instance_syntaxes
from repository.dicomweb.recheck import recheck_each_series
from repository.retrieve import DEFAULT, StoredInstance

MAX_EXPANSION = 50
"""How much longer a file may become that is decoded: above the usual, so that sizes have room."""


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
    if choice.offer.media_type == ZIP:
        level = "instance" if instance else "series" if series else "study"
        return _answer_zip(request, actor, items, targets, f"{level}.zip")
    if not choice.offer.multipart:
        return answer_item(request, actor, _make_item(items[0], targets[0]), items[0].length)
    base = dicomweb_base(request)
    facts = (fact for item, target in zip(items, targets, strict=True) for fact in _facts_of(item, target))
    parts = (
        Item(
            f"{DICOM}; transfer-syntax={target}", instance_url(base, item), (), None, partial(_pass_on, file)
        )
        for item, target, file in zip(items, targets, _stream(actor, items, targets), strict=True)
    )
    return answer_parts(request, admitted(actor, items), DICOM, facts, parts)


def _list_offers(items: Sequence[StoredInstance], *, single: bool) -> list[Offer]:
    """List what instances can be sent as.

    Standard: PS3.18 10.4.4
    """
    syntaxes = instance_syntaxes(items)
    offers = [Offer(DICOM, True, syntaxes, DEFAULT), Offer(OCTET_STREAM, True, syntaxes, DEFAULT)]
    if single:
        offers.append(Offer(DICOM, False, syntaxes, DEFAULT))
    return [*offers, Offer(ZIP, False, syntaxes, DEFAULT)]


def _answer_zip(
    request: HttpRequest, actor: Actor, items: Sequence[StoredInstance], targets: Sequence[str], name: str
) -> HttpResponseBase:
    """Answer with an archive; names in it are numbers: of the series and of the instance, as they come.

    Standard: PS3.10 8.5, PS3.12 V
    """
    facts = (fact for item, target in zip(items, targets, strict=True) for fact in _facts_of(item, target))
    tag = make_tag((b"zip", *facts), weak=True)
    check_if_match(request, tag)
    headers = {**PRIVATE, "ETag": tag, "Content-Disposition": f'attachment; filename="{name}"'}
    if is_not_modified(request, tag):
        return not_modified(headers)
    body = start(stream_zip(_name_files(actor, items, targets)))
    return stream(body, ZIP, actor=admitted(actor, items), headers=headers)


def _stream(
    actor: Actor, items: Sequence[StoredInstance], targets: Sequence[str]
) -> Iterator[Iterator[bytes]]:
    return recheck_each_series(actor, items, retrieve.stream_files(items, targets))


def _name_files(
    actor: Actor, items: Sequence[StoredInstance], targets: Sequence[str]
) -> Iterator[ZippedFile]:
    numbers: dict[str, int] = {}
    files = _stream(actor, items, targets)
    for index, (item, target, file) in enumerate(zip(items, targets, files, strict=True), start=1):
        series = numbers.setdefault(item.series_instance_uid, len(numbers) + 1)
        expected = item.length if target == item.transfer_syntax_uid else item.length * MAX_EXPANSION
        yield ZippedFile(f"S{series:05}/I{index:06}.dcm", expected, file)


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
