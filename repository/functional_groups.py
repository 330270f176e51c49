"""Attributes of one frame of an enhanced object: in its own group, in the shared one, or at the top."""

from __future__ import annotations

from repository.pixels import Attributes, read_items

_SHARED_GROUPS, _PER_FRAME_GROUPS = "52009229", "52009230"


def find_frame_macro(attributes: Attributes, frame_index: int, macro: str) -> Attributes:
    """Return the item of a functional group macro that holds for a frame; the data set itself where there is none.

    Parameters
    ----------
    macro
        The tag of the macro's sequence, for example `00289132` for Frame VOI LUT Sequence.

    Standard: PS3.3 C.7.6.16
    """
    frames = attributes.get(_PER_FRAME_GROUPS)
    groups = []
    if isinstance(frames, dict) and frame_index < len(frames.get("Value") or []):
        groups.append(frames["Value"][frame_index] or {})
    groups.extend(read_items(attributes, _SHARED_GROUPS)[:1])
    for group in groups:
        for item in read_items(group, macro):
            return item
    return attributes
