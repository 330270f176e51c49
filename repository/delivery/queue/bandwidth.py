"""How fast bytes leave for a destination: one bucket of tokens for all its workers, in whatever process they run.

A worker takes tokens in blocks, so that the bucket's row is not written for every few bytes that leave. The bucket may
go below zero: what was taken ahead is waited for, and whoever comes later waits behind it.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from access.database import database_now, release, run_write
from registry.models import Destination, DestinationBucket
from repository.delivery.queue.limits import rate_at
from repository.delivery.receivers.receiver import File

BLOCK_S = 0.5
"""So long a block of tokens lasts at the rate of the destination."""
BURST_S = 0.25
"""So much may leave at once after a pause."""
PIECE_BYTES = 16 << 10
LONGEST_NAP_S = 0.5


@dataclass(frozen=True, slots=True)
class Level:
    """What is in a bucket: tokens for so many bytes, at a moment; below zero they are owed."""

    level_bytes: float
    filled_at: datetime | None


def take(level: Level, wanted_bytes: float, rate: float, now: datetime) -> tuple[Level, float]:
    """Take tokens out of a bucket; returns what is in it then and for how many seconds to wait for them.

    Parameters
    ----------
    rate
        Bytes a second.
    wanted_bytes
        Negative gives back what was taken and not used.
    """
    most = rate * BURST_S
    passed_s = (now - level.filled_at).total_seconds() if level.filled_at else 0.0
    # A clock that was set back fills nothing.
    filled = min(most, level.level_bytes + rate * max(0.0, passed_s))
    left = filled - wanted_bytes
    return Level(left, now), max(0.0, -left / rate)


@dataclass(slots=True)
class Pace:
    """The pace of one worker towards one destination. `on_wait` is called at least every half second of waiting."""

    destination_id: int
    on_wait: Callable[[], None]
    taken_bytes: float = 0.0
    nap: Callable[[float], None] = field(default=time.sleep)

    def note_sent(self, sent_bytes: int) -> None:
        """Count bytes that leave, and wait where they are more than the destination takes; in no transaction."""
        self.taken_bytes -= sent_bytes
        if self.taken_bytes >= 0:
            return
        wait_s, self.taken_bytes = run_write(partial(_take_block, self.destination_id, -self.taken_bytes))
        release()
        ends_at = time.monotonic() + wait_s
        while (left_s := ends_at - time.monotonic()) > 0:
            self.on_wait()
            self.nap(min(LONGEST_NAP_S, left_s))

    def give_back(self) -> None:
        """Give back what was taken and not used: call it when the request has ended."""
        if self.taken_bytes > 0:
            run_write(partial(_give_back, self.destination_id, self.taken_bytes))
            self.taken_bytes = 0.0


def make_pace(destination: Destination, on_wait: Callable[[], None]) -> Pace | None:
    """Return the pace for a destination; None where nothing limits it at any hour."""
    limited = destination.max_mbit is not None or any("max_mbit" in window for window in destination.windows)
    return Pace(destination.pk, on_wait) if limited else None


def in_pieces(file: File) -> File:
    """Return a file that is read in small pieces: between them there is time to wait."""
    return replace(file, open=partial(_read_pieces, file.open))


def _read_pieces(open_file: Callable[..., Iterator[bytes]], *wanted: Any) -> Iterator[bytes]:
    blocks = open_file(*wanted)
    try:
        for block in blocks:
            for start in range(0, len(block), PIECE_BYTES):
                yield block[start : start + PIECE_BYTES]
    finally:
        close = getattr(blocks, "close", None)
        if close is not None:
            close()


def _take_block(destination_id: int, owed_bytes: float) -> tuple[float, float]:
    """Take what is owed and a block beyond it; returns the seconds to wait and what is at hand then."""
    row = _lock(destination_id)
    now = database_now()  # behind the lock: moments in the row only go forward
    rate = rate_at(row.destination, now)
    if rate is None:  # unlimited at this hour: asked again after as much as a fast network sends in a moment
        return 0.0, float(64 << 20)
    block = rate * BLOCK_S
    level, wait_s = take(Level(row.level_bytes, row.filled_at), block + owed_bytes, rate, now)
    _save(row, level)
    return wait_s, block


def _give_back(destination_id: int, left_bytes: float) -> None:
    row = _lock(destination_id)
    now = database_now()
    rate = rate_at(row.destination, now)
    if rate is not None:
        # More than a block was only at hand while nothing was limited.
        given = min(left_bytes, rate * BLOCK_S)
        _save(row, take(Level(row.level_bytes, row.filled_at), -given, rate, now)[0])


def _lock(destination_id: int) -> DestinationBucket:
    DestinationBucket.objects.get_or_create(destination_id=destination_id)
    rows = DestinationBucket.objects.select_for_update(of=("self",)).select_related("destination")
    return rows.get(pk=destination_id)


def _save(row: DestinationBucket, level: Level) -> None:
    DestinationBucket.objects.filter(pk=row.pk).update(
        level_bytes=level.level_bytes, filled_at=level.filled_at
    )
