"""Which duty runs when."""

import threading
from collections.abc import Callable

import pytest
from django.db import DatabaseError
from kombu.transport.redis import QoS

from deploy import duties
from deploy.celery import app
from deploy.duties import ALL_DUTIES, Duty, run_duty, run_forever
from registry.wishes.priorities import PRIORITIES


@pytest.mark.django_db
@pytest.mark.parametrize("duty", ALL_DUTIES, ids=lambda duty: duty.name)
def test_every_duty_may_run_twice_with_nothing_to_do(duty: Duty):
    run_duty(duty.name)
    run_duty(duty.name)


def test_an_unknown_duty_is_an_error():
    with pytest.raises(KeyError):
        run_duty("make_coffee")


def test_beat_knows_every_duty_and_wakes_every_priority():
    schedule = app.conf.beat_schedule
    run = {entry["args"][0] for entry in schedule.values() if entry["task"] == "samsyn.duty"}
    woken = {entry["args"][0] for entry in schedule.values() if entry["task"] == "samsyn.wake"}
    assert run == {duty.name for duty in ALL_DUTIES}
    assert woken == set(PRIORITIES)
    queues = {entry["options"]["queue"] for entry in schedule.values()}
    assert queues == {queue.name for queue in app.conf.task_queues}
    assert all(entry["options"]["expires"] >= entry["schedule"] for entry in schedule.values())


def test_celery_keeps_no_message_that_a_lost_redis_would_make_it_put_back():
    assert not app.conf.task_acks_late
    assert not QoS.restore_at_shutdown
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.task_ignore_result


def test_planning_and_sweeping_stand_behind_no_slow_duty():
    schedule = app.conf.beat_schedule
    assert schedule["plan_deliveries"]["options"]["queue"] == "duties"
    assert schedule["sweep_leases"]["options"]["queue"] == "duties"
    assert schedule["publish_studies"]["options"]["queue"] == "slow"


@pytest.mark.django_db(transaction=True)
def test_runs_until_stopped_whatever_a_duty_does(monkeypatch: pytest.MonkeyPatch):
    stop = threading.Event()
    seen: list[str] = []

    def note(name: str, *, then: Callable[[], object]) -> Callable[[], object]:
        def run() -> None:
            seen.append(name)
            then()

        return run

    def fail() -> None:
        raise DatabaseError("the database is away")

    def stop_after_three() -> None:
        if seen.count("healthy") == 3:
            stop.set()

    broken = Duty("broken", 0, note("broken", then=fail))
    healthy = Duty("healthy", 0, note("healthy", then=stop_after_three))
    monkeypatch.setattr(duties, "DUTY_THREADS", (("duties", (broken, healthy)),))
    run_forever(stop)
    assert seen == ["broken", "healthy"] * 3
    assert [t.name for t in threading.enumerate() if t.name.startswith(("sender", "duties"))] == []
