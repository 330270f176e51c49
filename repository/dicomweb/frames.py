"""WADO-RS: frames.

Standard: PS3.18 10.4.1.1.6
"""

from collections.abc import Iterator
from functools import partial

from django.http import HttpRequest, HttpResponseBase

from access import audit
from access.actor import Actor
from registry.wire.media_types import media_type_of_frames
from repository import stored_frames
from repository.dicomweb.answers import (
    Item,
    answer_item,
    answer_parts,
    find_known,
    instance_url,
    negotiate_for,
    permitted,
)
from repository.dicomweb.base_url import dicomweb_base
from repository.dicomweb.offers import frame_offers, frame_syntax_of
from repository.frames import FrameTable
from repository.retrieve import EXPLICIT_LITTLE_ENDIAN, StoredInstance
from repository.stored_bulk import Extent, read_extents

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"


def retrieve_frames(
    request: HttpRequest, actor: Actor, study: str, series: str, instance: str, frames: str
) -> HttpResponseBase:
    """Answer with frames in the order of the list."""
    numbers = stored_frames.parse_frame_list(frames)
    _, [item] = permitted(actor, study, series, instance)
    choice = negotiate_for(request, frame_offers(item, single=len(numbers) == 1))
    target = frame_syntax_of(item, choice)
    audit.count(actor, study, door="wado", frames=len(numbers))
    url = instance_url(dicomweb_base(request), item)
    if not choice.offer.multipart:
        known = find_known(request, _facts_of(item, numbers[0], target))
        if known is not None:
            return known
        return answer_item(request, actor, make_frame_item(item, numbers[0], target, url), item.length)
    facts = (item.sha256, b"frames", target.encode(), ",".join(map(str, numbers)).encode())
    media_type = media_type_of_frames(target)
    return answer_parts(request, None, media_type, facts, make_frame_items(item, numbers, target, url))


def make_frame_item(item: StoredInstance, number: int, target: str, url: str) -> Item:
    """Describe one frame; what is sent as it is stored can be sent in part without reading all of it."""
    facts = _facts_of(item, number, target)
    extents = _find_extents(item, number, target)
    if extents is not None:
        length = sum(size for _, size in extents)
        return Item(
            _type(target), f"{url}/frames/{number}", facts, length, partial(read_extents, item, extents)
        )
    [payload] = stored_frames.read_frames(item, (number,), target)
    return Item(_type(target), f"{url}/frames/{number}", facts, len(payload), partial(_slice, payload))


def make_frame_items(item: StoredInstance, numbers: tuple[int, ...], target: str, url: str) -> Iterator[Item]:
    """Describe frames one after the other; read each before the next is asked for."""
    media_type = _type(target)
    payloads = stored_frames.read_frames(item, numbers, target)
    for number, payload in zip(numbers, payloads, strict=True):
        yield Item(media_type, f"{url}/frames/{number}", (), len(payload), partial(_slice, payload))


def _facts_of(item: StoredInstance, number: int, target: str) -> tuple[bytes, ...]:
    return item.sha256, b"frame", target.encode(), str(number).encode()


def _type(target: str) -> str:
    return f"{media_type_of_frames(target)}; transfer-syntax={target}"


def _find_extents(item: StoredInstance, number: int, target: str) -> tuple[Extent, ...] | None:
    """Return where the bytes of a frame lie if they are sent as they are."""
    stored = item.transfer_syntax_uid
    is_as_stored = target == stored or (stored, target) == (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN)
    if item.frame_table is None or not is_as_stored:
        return None
    table = FrameTable.from_bytes(item.frame_table)
    return None if table.frame_bits % 8 else table.ranges_of(number - 1)


def _slice(payload: bytes, start: int, length: int) -> Iterator[bytes]:
    yield payload if length == len(payload) else payload[start : start + length]
