"""Celery as the alarm clock: its messages only wake; the work lies in the database.

Losing, doubling or reordering a message changes nothing: beat wakes again within seconds. Run a worker
for each kind of work, and one beat:

    celery -A deploy.celery worker -Q urgent -c 2
    celery -A deploy.celery worker -Q normal,prior,bulk -c 4
    celery -A deploy.celery worker -Q duties -c 2
    celery -A deploy.celery worker -Q slow -c 3
    celery -A deploy.celery beat
"""

import multiprocessing
import os
import socket
import sys
import threading
import time
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down
from kombu import Queue
from kombu.transport.redis import QoS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings.production")

import django

django.setup()

from django.conf import settings  # noqa: E402

from deploy import pools  # noqa: E402, F401 (its handlers of signals)
from deploy.alarm import sweep_beside, wake_soon  # noqa: E402
from deploy.duties import ALL_DUTIES, DUTIES, packs_source, run_duty  # noqa: E402
from registry.wishes.priorities import PRIORITIES  # noqa: E402
from repository.delivery.duties import send_ready  # noqa: E402

# kombu 5.7.0 ends a worker whose Redis goes away while it holds a message that is not acknowledged: it wants to put it
# back by the lost connection. A wake-up may be lost, so it is acknowledged as it is read, and none is put back.
QoS.restore_at_shutdown = False

WAKE_EVERY_S = 2.0
WAKE_LIMIT_S = 60.0
"""A wake-up claims for so long; what it has claimed by then it sends to the end."""
VISIBLE_AGAIN_S = 120
"""Longer than a wake-up claims; a message that comes twice is harmless all the same."""
CONNECT_S = 2.0
LONGEST_TASK_S = 6 * 3600.0
"""A large study on a slow line takes its time: what hangs is found by the time-outs of the connection."""
QUICK_DUTY_S = 600.0
DUTIES_QUEUE = "duties"
SLOW_QUEUE = "slow"
"""Duties that may take minutes, such as publishing an import: planning and sweeping never stand behind them."""

app = Celery("samsyn", broker=settings.CELERY_BROKER_URL)
app.conf.update(
    task_acks_late=False,
    task_ignore_result=True,
    task_queues=[Queue(name) for name in (*PRIORITIES, DUTIES_QUEUE, SLOW_QUEUE)],
    task_default_queue=DUTIES_QUEUE,
    task_create_missing_queues=False,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_soft_shutdown_timeout=10.0,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": VISIBLE_AGAIN_S, "socket_connect_timeout": CONNECT_S},
    task_time_limit=LONGEST_TASK_S,
    timezone=settings.TIME_ZONE,
    CELERY_DB_REUSE_MAX=sys.maxsize,  # Celery closes no pool between tasks: `deploy.pools` looks after them
)


# Made before the children are forked: they see that their worker is asked to end, and stop at the next block.
_is_ending = multiprocessing.Event()
_ended = threading.Event()


@worker_ready.connect
def start_sweeper(**_kwargs: Any) -> None:
    """Sweep in every worker, whatever becomes of Redis and the beat."""
    sweep_beside(_ended)


@worker_shutting_down.connect
def tell_children(**_kwargs: Any) -> None:
    """Let sending end at the next block; the rest is ready again."""
    _is_ending.set()
    _ended.set()


@app.task(name="samsyn.wake")
def wake(priority: str) -> None:
    """Send what is ready, the most urgent first, for about a minute at most; the next wake-up goes on.

    A wake-up for what is urgent does nothing else. The priority of any other is that of its queue only: whoever is
    woken for bulk takes what is more urgent first, so that bulk never keeps all children.
    """
    priorities = ("urgent",) if priority == "urgent" else PRIORITIES
    worker = f"celery-{socket.gethostname()}-{os.getpid()}"
    source = packs_source()
    until = time.monotonic() + WAKE_LIMIT_S
    while not _is_ending.is_set() and time.monotonic() < until:
        if not send_ready(worker, source, priorities, _is_ending.is_set):
            return


@app.task(name="samsyn.duty")
def run(name: str) -> None:
    """Run one duty of the list; where it planned something, wake those who send it."""
    found = run_duty(name)
    if isinstance(found, frozenset):
        wake_soon(_publish_wake, found)


def _publish_wake(priority: str) -> None:
    wake.apply_async((priority,), queue=priority, expires=WAKE_EVERY_S * 2, retry=False)


# A wake-up that nobody took before the next one is due is thrown away: no heap grows while workers are off.
app.conf.beat_schedule = {
    **{
        f"wake-{priority}": {
            "task": "samsyn.wake",
            "schedule": WAKE_EVERY_S,
            "args": (priority,),
            "options": {"queue": priority, "expires": WAKE_EVERY_S * 2},
        }
        for priority in PRIORITIES
    },
    **{
        duty.name: {
            "task": "samsyn.duty",
            "schedule": float(duty.every_s),
            "args": (duty.name,),
            "options": {
                "queue": DUTIES_QUEUE if duty in DUTIES else SLOW_QUEUE,
                "expires": float(duty.every_s) * 2,
                **({"time_limit": QUICK_DUTY_S} if duty in DUTIES else {}),
            },
        }
        for duty in ALL_DUTIES
    },
}
