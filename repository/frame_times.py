"""How long frames are shown when they run.

Standard: PS3.3 C.7.6.5
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from repository.pixels import Attributes, read_floats

DEFAULT_DELAY_S: Final = 0.1
_SHORTEST_S, _LONGEST_S = 0.001, 60.0
_DISPLAY_RATE, _CINE_RATE = "00082144", "00180040"
_FRAME_TIME, _FRAME_TIME_VECTOR = "00181063", "00181065"


def find_frame_delay_s(attributes: Attributes) -> float:
    """Return how long every frame is shown where all are shown equally long.

    The rate that is recommended for display comes before the one of the acquisition.
    """
    for tag, is_rate in ((_DISPLAY_RATE, True), (_CINE_RATE, True), (_FRAME_TIME, False)):
        values = [value for value in read_floats(attributes, tag) if value > 0]
        if values:
            return _limit(1.0 / values[0] if is_rate else values[0] / 1000.0)
    steps = [value for value in read_floats(attributes, _FRAME_TIME_VECTOR) if value > 0]
    return _limit(steps[-1] / 1000.0) if steps else DEFAULT_DELAY_S


def find_frame_delays_s(attributes: Attributes, numbers: Sequence[int]) -> list[float]:
    """Return how long each of some frames is shown.

    A vector of times decides where there is neither a rate nor a time for all: its value of a frame is the time
    since the one before, and the last frame is shown as long as that.
    """
    delay_s = find_frame_delay_s(attributes)
    steps = read_floats(attributes, _FRAME_TIME_VECTOR)
    if not steps or any(read_floats(attributes, tag) for tag in (_DISPLAY_RATE, _CINE_RATE, _FRAME_TIME)):
        return [delay_s] * len(numbers)
    following = [*steps[1:], steps[-1]]
    return [
        _limit(following[number - 1] / 1000.0)
        if number <= len(following) and following[number - 1] > 0
        else delay_s
        for number in numbers
    ]


def _limit(delay_s: float) -> float:
    return min(max(delay_s, _SHORTEST_S), _LONGEST_S)
