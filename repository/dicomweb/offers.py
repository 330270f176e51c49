"""What a resource can be sent as: media types with their transfer syntaxes, best first.

Standard: PS3.18 8.7.3
"""

from collections.abc import Sequence
from functools import lru_cache

from registry.wire.media_types import SYNTAXES_OF_MEDIA_TYPE, Choice, Offer, media_type_of_frames
from repository import stored_frames
from repository.dicomweb.answers import OCTET_STREAM
from repository.encode import LOSSY_TARGETS
from repository.frame_conversion import COMPRESSED_TARGETS, say_why_not_convertible
from repository.pixels import PixelDescription
from repository.retrieve import (
    AS_STORED,
    DEFAULT,
    EXPLICIT_LITTLE_ENDIAN,
    LOSSY_SYNTAXES,
    NOT_ON_THE_WIRE,
    StoredInstance,
)
from repository.transcode import INSTANCE_TARGETS, can_convert


def instance_syntaxes(items: Sequence[StoredInstance]) -> tuple[str, ...]:
    """List the transfer syntaxes that instances can be sent in, the default first, then those they are stored in.

    A single image offers what its pixels allow. Of several instances some may turn out not to have a form in the
    syntax that is chosen: `syntax_to_send` says so before anything is sent.
    """
    stored = {item.transfer_syntax_uid for item in items}
    made = [target for target in INSTANCE_TARGETS if any(can_convert(syntax, target) for syntax in stored)]
    if len(items) == 1:
        [item] = items
        description = stored_frames.describe_frames(item)
        made = [t for t in made if t not in COMPRESSED_TARGETS or _is_convertible(description, t)]
    return tuple(dict.fromkeys((EXPLICIT_LITTLE_ENDIAN, *sorted(stored - NOT_ON_THE_WIRE), *made)))


def frame_offers(item: StoredInstance, *, single: bool) -> tuple[Offer, ...]:
    """List what frames can be sent as.

    Decoded frames come first, but where they are stored lossy what is stored does; then the type that they are
    stored in, then the others in the order of the standard's table.
    """
    stored = stored_frames.frame_syntax_to_send(item, AS_STORED)
    default = stored_frames.frame_syntax_to_send(item, DEFAULT)
    return _list_frame_offers(stored, default, stored_frames.describe_frames(item), single)


@lru_cache(maxsize=1024)
def _list_frame_offers(
    stored: str, default: str, description: PixelDescription | None, single: bool
) -> tuple[Offer, ...]:
    own_type = media_type_of_frames(stored)
    uncompressed = default if media_type_of_frames(default) == OCTET_STREAM else EXPLICIT_LITTLE_ENDIAN
    kinds = {OCTET_STREAM: (tuple(dict.fromkeys((EXPLICIT_LITTLE_ENDIAN, stored))), uncompressed)}
    if own_type != OCTET_STREAM:
        own = {own_type: _list_frame_syntaxes(description, own_type, stored)}
        kinds = own | kinds if default == stored else kinds | own
    for media_type in SYNTAXES_OF_MEDIA_TYPE:
        syntaxes, first = _list_frame_syntaxes(description, media_type, stored)
        if syntaxes and media_type not in kinds:
            kinds[media_type] = (syntaxes, first)
    return tuple(
        Offer(media_type, multipart=multipart, transfer_syntaxes=syntaxes, default_transfer_syntax=first)
        for multipart in ((True, False) if single else (True,))
        for media_type, (syntaxes, first) in kinds.items()
    )


def frame_syntax_of(item: StoredInstance, choice: Choice) -> str:
    """Return the transfer syntax that frames leave in.

    A wish for any transfer syntax of a compressed type is met as it is stored if that has this type, else by the
    default of the type. With octets any wish at all means as it is stored.

    Standard: PS3.18 8.7.3.5
    """
    if choice.transfer_syntax != AS_STORED or choice.offer.media_type == OCTET_STREAM:
        return stored_frames.frame_syntax_to_send(item, choice.transfer_syntax)
    stored = stored_frames.frame_syntax_to_send(item, AS_STORED)
    is_own_type = media_type_of_frames(stored) == choice.offer.media_type
    return stored if is_own_type else choice.offer.default_transfer_syntax


def _list_frame_syntaxes(
    description: PixelDescription | None, media_type: str, stored: str
) -> tuple[tuple[str, ...], str]:
    """Return the transfer syntaxes of a compressed media type, and the one for who names none.

    That is the first of the standard's table, unless only lossy frames of this type are at hand.

    Standard: PS3.18 8.7.3.3.2
    """
    made = tuple(
        syntax
        for syntax in SYNTAXES_OF_MEDIA_TYPE[media_type]
        if syntax == stored or (syntax in COMPRESSED_TARGETS and _is_convertible(description, syntax))
    )
    if stored in made and (stored in LOSSY_SYNTAXES or made[0] in LOSSY_TARGETS):
        return made, stored
    if media_type == OCTET_STREAM or not made or made[0] in LOSSY_TARGETS:
        return (), ""
    return made, made[0]


def _is_convertible(description: PixelDescription | None, target: str) -> bool:
    return description is not None and not say_why_not_convertible(description, target)
