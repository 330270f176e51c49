"""WADO-RS: bulk data, one value by its URI or all of an instance, a series or a study; pixel data alone.

Standard: PS3.18 10.4.1.1.5, 10.4.1.1.7, 8.7.3.3
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from django.http import HttpRequest, HttpResponseBase

from access.actor import Actor
from registry.wire.media_types import Choice, Offer, media_type_of_frames
from repository import stored_bulk, stored_frames
from repository.dicomweb.answers import (
    OCTET_STREAM,
    Item,
    admitted,
    answer_item,
    answer_parts,
    count_instances,
    instance_url,
    negotiate_for,
    permitted,
)
from repository.dicomweb.base_url import dicomweb_base
from repository.dicomweb.frames import make_frame_item, make_frame_items, retrieve_frames
from repository.dicomweb.offers import frame_offers, frame_syntax_of
from repository.dicomweb.recheck import recheck_each_series
from repository.frames import FrameTable
from repository.retrieve import (
    EXPLICIT_LITTLE_ENDIAN,
    StoredInstance,
    UnknownBulkData,
    describe,
    read_attributes,
)
from repository.stored_bulk import DOCUMENT_PATH, PIXEL_PATHS, BulkValue

DOCUMENT_TYPES = frozenset(("application/pdf", "model/mtl", "model/obj", "model/stl"))
"""What an encapsulated document may say of itself: nothing that a browser would run here."""

_FRAMES = re.compile(rf"(?:{'|'.join(PIXEL_PATHS)})/frames/(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Found:
    """One bulk value, and how it is sent: type, transfer syntax."""

    item: StoredInstance
    value: BulkValue
    media_type: str
    transfer_syntax: str

    @property
    def facts(self) -> tuple[bytes, ...]:
        """What determines its bytes."""
        kind = f"{self.media_type} {self.transfer_syntax}".encode()
        return (self.item.sha256, b"bulk", self.value.path.encode(), kind)


def retrieve_bulk_value(
    request: HttpRequest, actor: Actor, study: str, series: str, instance: str, path: str
) -> HttpResponseBase:
    """Answer with one bulk value; a frame of pixel data has a URI of its own below."""
    frames = _FRAMES.fullmatch(path)
    if frames:
        return retrieve_frames(request, actor, study, series, instance, frames[1])
    _, [item] = permitted(actor, study, series, instance)
    value = stored_bulk.find_bulk_value(item, path)
    return _answer(request, actor, [(item, value)], single=True)


def retrieve_bulk_data(
    request: HttpRequest,
    actor: Actor,
    study: str,
    series: str | None = None,
    instance: str | None = None,
    *,
    paths: Sequence[str] | None = None,
) -> HttpResponseBase:
    """Answer with all bulk values of a study, series or instance, or those at certain paths only.

    Raises
    ------
    UnknownBulkData
        There is none.
    """
    _, items = permitted(actor, study, series, instance)
    return answer_bulk_data(request, actor, items, single=instance is not None, paths=paths)


def answer_bulk_data(
    request: HttpRequest,
    actor: Actor,
    items: Sequence[StoredInstance],
    *,
    single: bool,
    paths: Sequence[str] | None = None,
) -> HttpResponseBase:
    """Answer with the bulk values of instances that were permitted; see `retrieve_bulk_data`.

    Parameters
    ----------
    single
        Whether one value may be answered as a single part.
    """
    values = [
        (item, value)
        for item in items
        for value in stored_bulk.list_bulk_values(item)
        if paths is None or value.path in paths
    ]
    if not values:
        raise UnknownBulkData(f"there is no {'bulk' if paths is None else 'pixel'} data here")
    count_instances(actor, items[0].study_instance_uid, items)
    return _answer(request, actor, values, single=single and len(values) == 1)


def _answer(
    request: HttpRequest, actor: Actor, values: Sequence[tuple[StoredInstance, BulkValue]], *, single: bool
) -> HttpResponseBase:
    choices: dict[tuple[Offer, ...], Choice] = {}
    found = []
    for item, value in values:
        offers = tuple(_list_offers(item, value, single=single))
        if offers not in choices:
            choices[offers] = negotiate_for(request, offers)
        found.append(_settle(item, value, choices[offers]))
    base = dicomweb_base(request)
    if not choices[offers].offer.multipart:
        [part] = _make_items(found[0], base)
        return answer_item(request, actor, part, found[0].item.length)
    items = [item for item, _ in values]
    parts = chain.from_iterable(_make_items(one, base) for one in recheck_each_series(actor, items, found))
    facts = (fact for one in found for fact in one.facts)
    holder = admitted(actor, items)
    return answer_parts(request, holder, found[0].media_type, facts, parts)


def _is_image(item: StoredInstance, value: BulkValue) -> bool:
    return value.path in PIXEL_PATHS and item.frame_table is not None


def _is_stream(item: StoredInstance, value: BulkValue) -> bool:
    return value.path in PIXEL_PATHS and stored_bulk.is_video(item)


def _list_offers(item: StoredInstance, value: BulkValue, *, single: bool) -> Iterator[Offer]:
    """List what a value can be sent as, alone where that is one item; alone comes first."""
    if _is_image(item, value):
        is_one = _count_frames(item) == 1
        offers = frame_offers(item, single=single)
        yield from (o for o in offers if not o.multipart and (is_one or o.media_type == OCTET_STREAM))
        yield from (o for o in offers if o.multipart)
        return
    names: list[str] = [OCTET_STREAM]
    syntaxes: tuple[str, ...] = ()
    if _is_stream(item, value):
        own = item.transfer_syntax_uid
        names, syntaxes = [media_type_of_frames(own), OCTET_STREAM], (own,)
    elif value.path == DOCUMENT_PATH:
        names += _find_document_type(item)
    for multipart in (False, True) if single else (True,):
        for name in names:
            yield Offer(name, multipart, syntaxes, syntaxes[0] if syntaxes else "")


def _settle(item: StoredInstance, value: BulkValue, choice: Choice) -> Found:
    """Decide type and transfer syntax of what is sent.

    Raises
    ------
    UnsupportedConversion
        The transfer syntax that was chosen cannot be made of what is stored.
    """
    media_type = choice.offer.media_type
    if _is_image(item, value):
        target = frame_syntax_of(item, choice)
        return Found(item, value, media_type_of_frames(target), target)
    if _is_stream(item, value):
        return Found(item, stored_bulk.find_stream(item, value), media_type, item.transfer_syntax_uid)
    return Found(item, value, media_type, EXPLICIT_LITTLE_ENDIAN if media_type == OCTET_STREAM else "")


def _make_items(found: Found, base: str) -> Iterator[Item]:
    """Make the parts of one value: one, or one for each frame that is compressed by itself."""
    item, value = found.item, found.value
    url = f"{instance_url(base, item)}/bulkdata/{value.path}"
    if not _is_image(item, value) or found.media_type == OCTET_STREAM:
        syntax = f"; transfer-syntax={found.transfer_syntax}" if found.transfer_syntax else ""
        yield Item(found.media_type + syntax, url, found.facts, *_find_content(found))
    elif _count_frames(item) == 1:
        yield replace(make_frame_item(item, 1, found.transfer_syntax, url), location=url)
    else:
        numbers = tuple(range(1, _count_frames(item) + 1))
        yield from make_frame_items(item, numbers, found.transfer_syntax, url)


def _find_content(found: Found) -> tuple[int | None, Callable[[int, int], Iterator[bytes]]]:
    """Return the length of a value that is sent in one piece, where it is known, and what reads it."""
    item, value = found.item, found.value
    if _is_image(item, value) and stored_bulk.is_encapsulated(item):
        return None, lambda *_: _join_frames(item, value.path, found.transfer_syntax)
    if value.extents is None:
        return None, lambda *_: stored_bulk.read_converted_value(item, value.path)
    return value.length, partial(stored_bulk.read_extents, item, value.extents)


def _join_frames(item: StoredInstance, path: str, target: str) -> Iterator[bytes]:
    """Yield the pixel data that the frames make up once they are decoded."""
    if describe(item)[0].frame_bits % 8:  # frames of single bits begin within a byte
        yield from stored_bulk.read_converted_value(item, path)
        return
    length = 0
    for payload in stored_frames.read_frames(item, tuple(range(1, _count_frames(item) + 1)), target):
        length += len(payload)
        yield payload
    if length % 2:
        yield b"\0"


def _count_frames(item: StoredInstance) -> int:
    return FrameTable.from_bytes(item.frame_table or b"").number_of_frames


def _find_document_type(item: StoredInstance) -> list[str]:
    """Return the type that an encapsulated document says it has, if it is one that is passed on.

    Standard: PS3.3 C.24.2
    """
    names = read_attributes(item).get("00420012", {}).get("Value", ())
    return [name for name in names if name in DOCUMENT_TYPES]
