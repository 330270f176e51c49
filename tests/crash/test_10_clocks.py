"""Case 10: a clock jumps by an hour, forwards or back, and the clocks change while a window is open."""

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from repository.delivery.duties import plan_deliveries, send_ready, sweep_leases
from repository.delivery.queue.windows import is_open, next_opening, read_windows
from repository.models import Attempt, Delivery
from tests.crash.oracles import assert_exactly, assert_no_delivery_lost, uids_of
from tests.crash.workers import let_leases_run_out, let_time_pass, padded_source, send_all
from tests.support.receiver import Handler, Request, store_all
from tests.support.sink import Ward

HOUR_S = 3600
STOCKHOLM = ZoneInfo("Europe/Stockholm")


def send_and_close() -> None:
    try:
        send_ready("first", padded_source())
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_an_hour_forwards_in_the_middle_of_sending(region, make_quiet, system: Ward) -> None:
    """The lease seems to have run out: another worker takes it, and the first one writes nothing."""
    study = make_quiet(instances=2)
    plan_deliveries()
    go_on, taken = threading.Event(), threading.Event()

    def hold(handler: Handler, request: Request) -> None:
        taken.set()
        go_on.wait(10)
        store_all(handler, request)

    system.script = [hold]
    first = threading.Thread(target=send_and_close)
    first.start()
    assert taken.wait(10)
    let_time_pass(HOUR_S)
    assert sweep_leases() == 1
    send_all()
    go_on.set()
    first.join()
    assert_exactly(system, uids_of(study))
    assert_no_delivery_lost(system)
    assert Attempt.objects.filter(error_class="lease_lost").count() == 1
    assert Attempt.objects.filter(error_class="", instances_ok=2).count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_hour_back_delays_and_loses_nothing(region, make_quiet, system: Ward) -> None:
    """What was due at once is due in an hour; a delivery under way goes on."""
    study = make_quiet(instances=2)
    plan_deliveries()
    let_time_pass(-HOUR_S)
    assert not send_ready("w", padded_source())
    let_time_pass(HOUR_S)
    send_all()
    assert_exactly(system, uids_of(study))


@pytest.mark.django_db(transaction=True)
def test_a_lease_from_before_the_clock_went_back_is_given_back_all_the_same(
    region, make_quiet, system: Ward
) -> None:
    study = make_quiet(instances=2)
    plan_deliveries()
    Delivery.objects.update(state="leased", lease_token="dead")
    let_time_pass(-HOUR_S)
    Delivery.objects.update(lease_until=datetime.now(UTC) + timedelta(hours=1))
    assert sweep_leases() == 0
    let_leases_run_out()
    send_all()
    assert_exactly(system, uids_of(study))


NIGHTS = {
    "summer time begins": (datetime(2027, 3, 27, 22, tzinfo=STOCKHOLM), 7),
    "winter time begins": (datetime(2026, 10, 24, 22, tzinfo=STOCKHOLM), 9),
    "any other": (datetime(2026, 11, 24, 22, tzinfo=STOCKHOLM), 8),
}


@pytest.mark.parametrize("night", NIGHTS)
def test_a_window_of_the_night_is_one_stretch_whatever_the_clocks_do(night: str) -> None:
    begins, hours = NIGHTS[night]
    windows = read_windows([{"days": list(range(7)), "from": "22:00", "to": "06:00"}])
    moment, open_minutes = begins.astimezone(UTC) - timedelta(minutes=30), []
    for _ in range(11 * 60):
        moment += timedelta(minutes=1)
        if is_open(windows, moment, STOCKHOLM):
            open_minutes.append(moment)
    assert len(open_minutes) == hours * 60
    assert open_minutes[-1] - open_minutes[0] == timedelta(hours=hours, minutes=-1)
    closed_at = open_minutes[-1] + timedelta(minutes=1)
    opens = next_opening(windows, closed_at, STOCKHOLM).astimezone(STOCKHOLM)
    assert (opens.hour, opens.minute) == (22, 0)
