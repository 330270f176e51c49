"""Hours of a week in local time, over midnight and over the nights on which the clocks are changed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repository.delivery.queue.windows import Window, find_window, is_open, next_opening, read_windows

STOCKHOLM = ZoneInfo("Europe/Stockholm")
EVERY_DAY = list(range(7))
SUMMER_BEGINS = datetime(2026, 3, 29, 1, tzinfo=UTC)
WINTER_BEGINS = datetime(2026, 10, 25, 1, tzinfo=UTC)

windows = st.builds(
    Window,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, 1439),
    st.integers(1, 1440),
).filter(lambda window: window.from_minute != window.to_minute)
moments = st.one_of(
    st.integers(0, 365 * 1440).map(lambda m: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=m)),
    st.integers(-3000, 3000).map(lambda m: SUMMER_BEGINS + timedelta(minutes=m)),
    st.integers(-3000, 3000).map(lambda m: WINTER_BEGINS + timedelta(minutes=m)),
)


def read(days, begin: str, end: str) -> tuple[Window, ...]:
    return read_windows([{"days": days, "from": begin, "to": end}])


def at(text: str) -> datetime:
    """Return a moment of local time; `+0100` behind it tells the two hours of the night of winter time apart."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=STOCKHOLM)


def open_minutes(found: tuple[Window, ...], begin: str, end: str) -> int:
    first, last = at(begin).astimezone(UTC), at(end).astimezone(UTC)
    minutes = int((last - first) / timedelta(minutes=1))
    return sum(is_open(found, first + timedelta(minutes=m), STOCKHOLM) for m in range(minutes))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-06-01T17:59:59", False),  # a Monday
        ("2026-06-01T18:00", True),
        ("2026-06-01T23:59:59", True),
        ("2026-06-02T00:00", True),
        ("2026-06-02T05:59:59", True),
        ("2026-06-02T06:00", False),
        ("2026-06-02T18:00", False),
        ("2026-06-01T03:00", False),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment, expected):
    assert is_open(read([0], "18:00", "06:00"), at(moment), STOCKHOLM) is expected


def test_no_windows_are_always_open():
    assert is_open((), at("2026-06-01T03:00"), STOCKHOLM)
    assert next_opening((), at("2026-06-01T03:00"), STOCKHOLM) == at("2026-06-01T03:00")


def test_whole_days_leave_no_gap_at_midnight():
    assert open_minutes(read(EVERY_DAY, "00:00", "24:00"), "2026-10-24T12:00", "2026-10-26T12:00") == 49 * 60


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-06-01T12:00", "2026-06-01T18:00"),
        ("2026-06-01T19:00", "2026-06-01T19:00"),
        ("2026-06-02T06:00", "2026-06-08T18:00"),
        ("2026-06-01T03:00", "2026-06-01T18:00"),
    ],
)
def test_says_when_they_open_next(moment, opens):
    assert next_opening(read([0], "18:00", "06:00"), at(moment), STOCKHOLM) == at(opens)


def test_of_several_the_first_that_opens_counts():
    found = read([2], "08:00", "09:00") + read([1], "20:00", "21:00")
    assert next_opening(found, at("2026-06-01T12:00"), STOCKHOLM) == at("2026-06-02T20:00")


def test_the_night_of_winter_time_is_an_hour_longer():
    night = read(EVERY_DAY, "22:00", "04:00")
    assert open_minutes(night, "2026-10-24T20:00", "2026-10-25T20:00") == 7 * 60
    assert open_minutes(read(EVERY_DAY, "02:15", "02:45"), "2026-10-25T00:00", "2026-10-25T12:00") == 90


def test_the_night_of_summer_time_is_an_hour_shorter():
    assert open_minutes(read(EVERY_DAY, "22:00", "04:00"), "2026-03-28T20:00", "2026-03-29T20:00") == 5 * 60


def test_what_no_clock_shows_begins_and_ends_with_the_change():
    until_four = read(EVERY_DAY, "02:15", "04:00")
    assert next_opening(until_four, at("2026-03-29T00:00"), STOCKHOLM) == SUMMER_BEGINS
    assert open_minutes(until_four, "2026-03-29T00:00", "2026-03-29T12:00") == 60
    assert open_minutes(read(EVERY_DAY, "01:00", "02:30"), "2026-03-29T00:00", "2026-03-29T12:00") == 60
    lost = read(EVERY_DAY, "02:15", "02:45")
    assert open_minutes(lost, "2026-03-29T00:00", "2026-03-29T12:00") == 0
    assert next_opening(lost, at("2026-03-29T00:00"), STOCKHOLM) == at("2026-03-30T02:15")
    on_sundays = read([6], "02:15", "02:45")
    assert next_opening(on_sundays, at("2026-03-22T03:00"), STOCKHOLM) == at("2026-04-05T02:15")


def test_limits_are_those_of_the_first_window_that_is_open():
    found = read_windows(
        [
            {"days": EVERY_DAY, "from": "08:00", "to": "16:00", "max_parallel": 1, "max_mbit": 2.5},
            {"days": EVERY_DAY, "from": "00:00", "to": "24:00", "max_parallel": 9},
        ]
    )
    assert find_window(found, at("2026-06-01T08:00"), STOCKHOLM) == found[0]
    assert find_window(found, at("2026-06-01T16:00"), STOCKHOLM) == found[1]
    assert found[1].max_mbit is None


@given(windows, moments)
def test_what_opens_next_is_open_then_and_not_the_minute_before(window: Window, moment: datetime) -> None:
    opens = next_opening((window,), moment, STOCKHOLM)
    assert opens >= moment
    assert opens - moment < timedelta(days=15)
    assert is_open((window,), opens, STOCKHOLM)
    if opens > moment:
        before = max(moment, opens - timedelta(minutes=1))
        assert not is_open((window,), before, STOCKHOLM)


@given(windows, moments, st.floats(0, 1))
def test_nothing_is_open_before_what_opens_next(window: Window, moment: datetime, part: float) -> None:
    opens = next_opening((window,), moment, STOCKHOLM)
    between = moment + (opens - moment) * part
    assert between >= opens or not is_open((window,), between, STOCKHOLM)


@given(windows, st.integers(0, 89 * 1440 - 1))
def test_away_from_the_changes_the_clock_on_the_wall_decides(window: Window, minute: int) -> None:
    moment = datetime(2026, 6, 1, tzinfo=STOCKHOLM) + timedelta(minutes=minute)
    of_day = moment.hour * 60 + moment.minute
    today, yesterday = moment.weekday() in window.days, (moment.weekday() - 1) % 7 in window.days
    if window.from_minute < window.to_minute:
        expected = today and window.from_minute <= of_day < window.to_minute
    else:
        expected = (today and of_day >= window.from_minute) or (yesterday and of_day < window.to_minute)
    assert is_open((window,), moment, STOCKHOLM) is expected
