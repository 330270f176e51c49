"""Celery as the alarm clock: its messages only wake; the work lies in the database.

Losing, doubling or reordering a message changes nothing: beat wakes again within seconds. Run a worker
for each kind of work, and one beat:

    celery -A deploy.celery worker -Q urgent -c 2
    celery -A deploy.celery worker -Q normal,prior,bulk -c 4
    celery -A deploy.celery worker -Q duties -c 2
    celery -A deploy.celery worker -Q slow -c 3
    celery -A deploy.celery beat
"""

import os
import socket
import time

from celery import Celery
from kombu import Queue
from kombu.transport.redis import QoS

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings.production")

import django

django.setup()

from django.conf import settings  # noqa: E402

from deploy.duties import ALL_DUTIES, DUTIES, packs_source, run_duty  # noqa: E402
from registry.wishes.priorities import PRIORITIES  # noqa: E402
from repository.delivery.duties import send_ready  # noqa: E402

# kombu 5.7.0 ends a worker whose Redis goes away while it holds a message that is not acknowledged: it wants to put it
# back by the lost connection. A wake-up may be lost, so it is acknowledged as it is read, and none is put back.
QoS.restore_at_shutdown = False

WAKE_EVERY_S = 2.0
WAKE_LIMIT_S = 60.0
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
    # Longer than the longest wake-up; a message delivered twice is harmless all the same.
    broker_transport_options={"visibility_timeout": 7200},
    timezone=settings.TIME_ZONE,
)


@app.task(name="samsyn.wake")
def wake(priority: str) -> None:
    """Send what is ready of one priority, for about a minute at most; the next wake-up goes on."""
    worker = f"celery-{socket.gethostname()}-{os.getpid()}"
    source = packs_source()
    until = time.monotonic() + WAKE_LIMIT_S
    while time.monotonic() < until and send_ready(worker, source, (priority,)):
        pass


@app.task(name="samsyn.duty")
def run(name: str) -> None:
    """Run one duty of the list."""
    run_duty(name)


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
            },
        }
        for duty in ALL_DUTIES
    },
}
