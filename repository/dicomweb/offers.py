"""What a resource can be sent as: media types with their transfer syntaxes, best first.

Standard: PS3.18 8.7.3
"""

from collections.abc import Sequence

from registry.wire.media_types import Offer, media_type_of_frames
from repository import stored_frames
from repository.dicomweb.answers import OCTET_STREAM
from repository.retrieve import AS_STORED, DEFAULT, EXPLICIT_LITTLE_ENDIAN, NOT_ON_THE_WIRE, StoredInstance


def instance_syntaxes(items: Sequence[StoredInstance]) -> tuple[str, ...]:
    """List the transfer syntaxes that all instances can be sent in, the default first."""
    stored = {item.transfer_syntax_uid for item in items} - NOT_ON_THE_WIRE
    return (EXPLICIT_LITTLE_ENDIAN, *sorted(stored - {EXPLICIT_LITTLE_ENDIAN}))


def frame_offers(item: StoredInstance, *, single: bool) -> list[Offer]:
    """List what frames can be sent as; what lossy frames are stored in comes before decoded ones."""
    stored = stored_frames.frame_syntax_to_send(item, AS_STORED)
    own_type = media_type_of_frames(stored)
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
