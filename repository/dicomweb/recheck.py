"""Long answers ask again: what was permitted at the first byte may be closed before the last."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from access.actor import Actor
from access.database import release
from registry.reading import permit_reading
from repository.retrieve import StoredInstance

T = TypeVar("T")
DOOR = "wado"


def recheck_each_series(actor: Actor, items: Sequence[StoredInstance], pieces: Iterable[T]) -> Iterator[T]:
    """Pass on one piece for each instance, deciding again where a new series begins.

    Raises
    ------
    UnknownStudy
        The study was closed to the actor meanwhile; it is recorded, and the answer ends unfinished.
    """
    series = items[0].series_instance_uid if items else ""
    for item, piece in zip(items, pieces, strict=True):
        if item.series_instance_uid != series:
            series = item.series_instance_uid
            permit_reading(actor, item.study_instance_uid, door=DOOR)
            release()
        yield piece
