"""Wake-ups ahead of the beat: on the queue while Redis is there, in nobody's way while it is not."""

import logging
import socket
import threading
import time
from pathlib import Path

import pytest
import redis
from celery import Celery
from kombu import Queue

from deploy import alarm, celery
from deploy.alarm import wake_soon
from tests.support.processes import find_free_port
from tests.support.redis import run_redis


def make_publisher(port: int):
    """Return what publishes to a Redis as the installation's Celery does."""
    app = Celery("x", broker=f"redis://127.0.0.1:{port}/0")
    app.conf.update(
        task_queues=[Queue("urgent"), Queue("normal")],
        broker_transport_options=celery.app.conf.broker_transport_options,
    )
    return lambda name: app.send_task("samsyn.wake", (name,), queue=name, retry=False)


def wait_until_free() -> None:
    """Wait for the thread that publishes."""
    assert alarm._publishing.acquire(timeout=20)
    alarm._publishing.release()


def test_a_wake_up_lies_on_its_queue(tmp_path: Path):
    with run_redis(tmp_path) as server:
        wake_soon(make_publisher(server.port), {"urgent", "normal"})
        wait_until_free()
        with redis.Redis.from_url(server.url) as broker:
            assert (broker.llen("urgent"), broker.llen("normal")) == (1, 1)


def test_a_redis_that_is_away_delays_nobody_and_raises_nothing(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    began = time.monotonic()
    wake_soon(make_publisher(find_free_port()), {"urgent"})
    assert time.monotonic() - began < 0.5
    wait_until_free()
    assert "not published" in caplog.text


def test_a_redis_that_never_answers_costs_one_thread_and_no_more():
    asked = threading.Event()
    answer = threading.Event()

    def publish(_name: str) -> None:
        asked.set()
        answer.wait(20)

    wake_soon(publish, {"urgent"})
    assert asked.wait(5)
    before = threading.active_count()
    began = time.monotonic()
    for _ in range(50):
        wake_soon(publish, {"urgent"})
    assert time.monotonic() - began < 0.5
    assert threading.active_count() <= before
    answer.set()
    wait_until_free()


def test_a_listener_that_takes_nothing_is_given_up_after_its_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # its backlog is full: who connects now gets no answer
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        began = time.monotonic()
        wake_soon(make_publisher(silent.getsockname()[1]), {"urgent"})
        assert time.monotonic() - began < 0.5
        wait_until_free()
        assert time.monotonic() - began < 15
        for filler in fillers:
            filler.close()


def test_nothing_planned_wakes_nobody():
    wake_soon(lambda _name: pytest.fail("published"), frozenset())
    wait_until_free()


def test_limits_of_celery():
    conf = celery.app.conf
    assert conf.broker_transport_options["visibility_timeout"] > celery.WAKE_LIMIT_S
    assert conf.worker_soft_shutdown_timeout > 0
    assert conf.task_time_limit
    schedule = conf.beat_schedule
    assert schedule["plan_deliveries"]["options"]["time_limit"] == celery.QUICK_DUTY_S
    assert "time_limit" not in schedule["scrub_packs"]["options"]
