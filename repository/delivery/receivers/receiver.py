"""What every kind of destination is to a delivery: something that takes files, answers a probe and is closed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from repository.delivery.contents.messages import Message
from repository.delivery.receivers.store_answer import StoreAnswer


@dataclass(frozen=True, slots=True)
class File:
    """One PS3.10 file to send; `open` starts reading it from the beginning.

    `open` takes the wanted transfer syntax, or nothing for the file as it is stored. `instance` is what the source
    knows of it, `path` the installations that its study has passed, as the header says it.
    """

    sop_instance_uid: str
    open: Callable[..., Iterator[bytes]]
    instance: Any = None
    path: str = ""


class Store(Protocol):
    """Sends files and says what the receiver said about each.

    `on_sent` is called with the length of every block that left, in bytes; what it raises ends the sending.
    `on_body_sent` is called before an answer is waited for.

    Raises `FailedRequest` for anything but an answer that names instances.
    """

    def __call__(
        self, files: Iterable[File], *, on_sent: Callable[[int], None], on_body_sent: Callable[[], None]
    ) -> StoreAnswer: ...


class Verify(Protocol):
    """Asks whether a receiver has instances, `mode` as a destination's `verify`; returns the UIDs of those it has.

    `on_wait` is called before an answer is waited for. Raises `FailedRequest` where no answer can be had.
    """

    def __call__(
        self, mode: str, instances: Sequence[Any], *, on_wait: Callable[[], None]
    ) -> frozenset[str]: ...


class Post(Protocol):
    """Sends one message, and returns when the receiver has taken it; otherwise raises `FailedRequest`."""

    def __call__(
        self, message: Message, *, on_sent: Callable[[int], None], on_body_sent: Callable[[], None]
    ) -> None: ...


class Withdraw(Protocol):
    """Takes out what was brought there: the study, series and instance of each; what is not there is no fault."""

    def __call__(self, places: Sequence[tuple[str, str, str]]) -> None: ...


@dataclass(frozen=True, slots=True)
class Receiver:
    """A destination that is spoken to, kept for the requests of one delivery. `probe` raises `FailedRequest`.

    `verify` is None for what is written by ourselves, and there when it is written. `post` is None for what takes
    files and no messages. `withdraw` is there where what was brought can be taken out by ourselves.
    """

    store: Store
    probe: Callable[[], None]
    close: Callable[[], None]
    answer_timeout_s: float
    verify: Verify | None = None
    post: Post | None = None
    withdraw: Withdraw | None = None
