"""Which presentation contexts a sender of instances proposes, and in which transfer syntax each one goes.

Standard: PS3.4 B.3.1.3, PS3.8 7.1.1.13
"""

from collections.abc import Sequence

from repository.retrieve import EXPLICIT_LITTLE_ENDIAN, NOT_ON_THE_WIRE, StoredInstance, syntax_to_send
from repository.transcode import UnsupportedConversion

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
UNCOMPRESSED = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
MOST_CONTEXTS = 128


class NoCommonSyntax(ValueError):
    """The receiver takes the instance in no transfer syntax that can be made of it."""


def contexts_for(items: Sequence[StoredInstance]) -> list[tuple[str, tuple[str, ...]]]:
    """Return which contexts to propose for what is sent: as stored, and uncompressed for who takes nothing else.

    One compressed syntax a context, so that each can be accepted beside the others; at most 128 contexts.
    """
    pairs: dict[tuple[str, tuple[str, ...]], None] = {}
    for item in items:
        if item.transfer_syntax_uid not in (*NOT_ON_THE_WIRE, *UNCOMPRESSED):
            pairs[item.sop_class_uid, (item.transfer_syntax_uid,)] = None
    for item in items:
        pairs[item.sop_class_uid, UNCOMPRESSED] = None
    return list(pairs)[:MOST_CONTEXTS]


def choose_syntax(item: StoredInstance, accepted: frozenset[str]) -> str:
    """Return the transfer syntax that an instance is sent in, of those that were accepted for its class.

    Explicit VR Little Endian is given for an accepted Implicit VR too: that step is the sender's.

    Raises
    ------
    NoCommonSyntax
        None of them can be made of it.
    """
    stored = item.transfer_syntax_uid
    if stored in accepted and stored not in NOT_ON_THE_WIRE:
        return stored
    if accepted & set(UNCOMPRESSED):
        try:
            return syntax_to_send(item, EXPLICIT_LITTLE_ENDIAN)
        except UnsupportedConversion as error:
            raise NoCommonSyntax(str(error)) from error
    for syntax in sorted(accepted):
        try:
            if syntax_to_send(item, syntax) == syntax:
                return syntax
        except UnsupportedConversion:
            continue
    raise NoCommonSyntax(f"the receiver takes instance {item.sop_instance_uid} in none of its syntaxes")
