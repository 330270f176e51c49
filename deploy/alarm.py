"""Waking ahead of the beat and sweeping beside it: what a Celery worker does besides tasks. All may be lost."""

import logging
import threading
from collections.abc import Callable, Iterable

from kombu.exceptions import OperationalError

from deploy.duties import run_safely
from repository.delivery.duties import sweep_leases

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 10.0
_publishing = threading.Lock()


def wake_soon(publish: Callable[[str], object], priorities: Iterable[str]) -> None:
    """Publish a wake-up for each priority from a thread of its own, so that a Redis that is away delays nobody.

    While an earlier one still tries, these are dropped: the beat wakes everybody within seconds. Never call it in a
    transaction: who is woken must find what he is woken for.
    """
    wanted = sorted(priorities)
    if wanted and _publishing.acquire(blocking=False):
        threading.Thread(target=_publish, args=(publish, wanted), name="wake-up", daemon=True).start()


def sweep_beside(stop: threading.Event) -> threading.Thread:
    """Start the thread that gives expired leases back until `stop` is set, also while Redis and the beat are away."""
    thread = threading.Thread(target=_sweep_until, args=(stop,), name="sweeper", daemon=True)
    thread.start()
    return thread


def _publish(publish: Callable[[str], object], priorities: list[str]) -> None:
    try:
        for priority in priorities:
            publish(priority)
    except (OperationalError, OSError) as error:
        log.warning("a wake-up was not published (%s); the beat will wake", error)
    finally:
        _publishing.release()


def _sweep_until(stop: threading.Event) -> None:
    while not stop.wait(SWEEP_EVERY_S):
        run_safely("sweep_leases", sweep_leases)
