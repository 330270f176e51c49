"""A thread beside the request keeps the lease: whoever is killed is missed after one lease, however long he may wait.

A request that is answered at once costs no write for it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from django.db import DatabaseError, connection

from repository.delivery.queue import lease as leases
from repository.delivery.queue.schedule import Lease, lease_length

log = logging.getLogger(__name__)


@contextmanager
def keep_alive(lease: Lease) -> Iterator[None]:
    """Renew a lease every quarter of its length for the length of the block.

    One that was lost is not fought for: the next write of the worker finds out.
    """
    ended = Event()
    thread = Thread(target=_renew_until, args=(lease, ended), name=f"lease-{lease.delivery_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _renew_until(lease: Lease, ended: Event) -> None:
    every_s = lease_length().total_seconds() / 4
    try:
        while not ended.wait(every_s):
            try:
                leases.renew(lease)
            except leases.LostLease:
                return
            except DatabaseError:
                log.warning("delivery %s: the lease could not be renewed", lease.delivery_id, exc_info=True)
            finally:
                connection.close()  # it is not held until the next time
    finally:
        connection.close()
