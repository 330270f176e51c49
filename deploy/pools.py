"""The database connections of a Celery child: one pool for its life, none of its parent's.

Celery's own handlers close the pool before and after every task: each would open another, with its threads and at
least one connection to PostgreSQL. And a child that is forked while its parent has a pool (the sweeper's) would find
that pool as its own: two processes on one connection.
"""

import contextlib
import os

from celery.signals import task_postrun, task_prerun, worker_init
from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from psycopg_pool import ConnectionPool

MOST_BROKEN = 20
"""As many as a pool holds."""
_POOLS = "_connection_pools"
"""Where Django's backend keeps them, one dictionary for the process."""
_inherited: list[dict[str, ConnectionPool]] = []
"""Kept, so that nothing of the parent's is closed where it is cleaned up: its sockets are the parent's."""


@worker_init.connect
def keep_pools(**_signal: object) -> None:
    """Let the pools of a worker and of all that it forks live from task to task."""
    os.register_at_fork(after_in_child=_leave_to_parent)
    task_prerun.connect(drop_broken)
    task_postrun.connect(give_back)


def _leave_to_parent() -> None:
    _inherited.append(vars(DatabaseWrapper)[_POOLS])
    setattr(DatabaseWrapper, _POOLS, {})


def drop_broken(**_signal: object) -> None:
    """Drop the connections that broke since the last task: PostgreSQL may have been started anew."""
    with contextlib.suppress(DatabaseError, InterfaceError):
        for _ in range(MOST_BROKEN):
            connection.ensure_connection()
            if connection.is_usable():
                break
            connection.close()
    give_back()


def give_back(**_signal: object) -> None:
    """Give the connection of this thread back to its pool."""
    connections.close_all()
