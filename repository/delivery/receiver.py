"""What every kind of destination is to a delivery: something that takes files, answers a probe and is closed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from repository.delivery.store_answer import StoreAnswer


@dataclass(frozen=True, slots=True)
class File:
    """One PS3.10 file to send; `open` starts reading it from the beginning.

    `open` takes the wanted transfer syntax, or nothing for the file as it is stored. `instance` is what the source
    knows of it.
    """

    sop_instance_uid: str
    open: Callable[..., Iterator[bytes]]
    instance: Any = None


class Store(Protocol):
    """Sends files and says what the receiver said about each.

    `on_sent` is called with the length of every block that left, in bytes; what it raises ends the sending.
    `on_body_sent` is called before an answer is waited for.

    Raises `FailedRequest` for anything but an answer that names instances.
    """

    def __call__(
        self, files: Iterable[File], *, on_sent: Callable[[int], None], on_body_sent: Callable[[], None]
    ) -> StoreAnswer: ...


@dataclass(frozen=True, slots=True)
class Receiver:
    """A destination that is spoken to, kept for the requests of one delivery. `probe` raises `FailedRequest`."""

    store: Store
    probe: Callable[[], None]
    close: Callable[[], None]
    answer_timeout_s: float
