"""Transfers are admitted before their first body byte.

Slow peers may fill their places, never all threads. A client that has its share is told so (429); a server whose
places are all taken says that of itself (503): the one is the client's to change, the other is not.

Standard: RFC 6585 4, RFC 9110 15.6.4
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from access.actor import Actor


class AllPlacesTaken(Exception):
    """All places for this kind of transfer are taken; the peer comes back after a moment."""


class ShareUsedUp(Exception):
    """This client has as many transfers of a kind under way as one client may."""


class Gate:
    """Places for one kind of transfer in this process, with a share for each client."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def enter(self, client: str, places: int, share: int) -> None:
        """Take a place.

        Raises
        ------
        ShareUsedUp
            This client has its share, whether or not there are places left.
        AllPlacesTaken
            There are none left.
        """
        with self._lock:
            if self._taken[client] >= share:
                raise ShareUsedUp(
                    f"{client} has {share} {self._name} under way here, as many as one client may; try again shortly"
                )
            if self._taken.total() >= places:
                raise AllPlacesTaken(f"all {places} places for {self._name} are taken; try again shortly")
            self._taken[client] += 1

    def leave(self, client: str) -> None:
        """Give the place back."""
        with self._lock:
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]


UPLOADS = Gate("uploads")
DOWNLOADS = Gate("downloads")


@contextmanager
def admitted_upload(actor: Actor) -> Iterator[None]:
    """Hold a place for an upload."""
    client = f"{actor.kind}:{actor.subject}"
    UPLOADS.enter(client, settings.MAX_UPLOADS, settings.MAX_TRANSFERS_PER_CLIENT)
    try:
        yield
    finally:
        UPLOADS.leave(client)


class AdmittedDownload:
    """Hold a place for a download until its body is closed, whether it was sent, cut or never begun."""

    def __init__(self, actor: Actor, pieces: Iterator[bytes]) -> None:
        self._client = f"{actor.kind}:{actor.subject}"
        DOWNLOADS.enter(self._client, settings.MAX_DOWNLOADS, settings.MAX_TRANSFERS_PER_CLIENT)
        self._pieces = pieces
        self._held = True

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """Give the place back; twice is no error. Django calls it when the response is closed."""
        if self._held:
            self._held = False
            DOWNLOADS.leave(self._client)
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()
