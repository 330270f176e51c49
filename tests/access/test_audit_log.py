"""Asking the log: what matches, in which order, page by page, and by which index."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from access import audit
from access.actor import Actor, Scope
from access.audit_log import (
    InvalidPosition,
    LogFilter,
    LogPosition,
    _matching,
    count_events,
    read_position,
    search_events,
)
from access.database import is_sqlite
from access.models import AccessSpan, AuditEvent

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def write(minute: int, **values) -> AuditEvent:
    facts = {"action": "read", "outcome": "success", "actor": "anna", "actor_kind": "person"} | values
    return AuditEvent.objects.create(recorded_at=NOON + timedelta(minutes=minute), **facts)


def found(**wanted) -> list[int]:
    return [event.pk for event in search_events(LogFilter(**wanted)).events]


def test_newest_first_page_by_page_nothing_twice():
    events = [write(minute // 3) for minute in range(20)]
    seen, after, pages = [], None, 0
    while True:
        page = search_events(LogFilter(), after=after, limit=6)
        seen += [event.pk for event in page.events]
        pages += 1
        if page.after is None:
            break
        after = read_position(str(page.after))
        write(100)  # what comes meanwhile changes nothing further down
    assert seen == [event.pk for event in reversed(events)]
    assert pages == 4


def test_a_full_last_page_says_that_it_is_the_last():
    write(1)
    write(2)
    assert search_events(LogFilter(), limit=2).after is None


@pytest.mark.parametrize(
    ("wanted", "matching"),
    [
        ({"patient_id": 5}, {0, 1}),
        ({"patient_ids": (5, 6)}, {0, 1, 2}),
        ({"actor": "anna"}, {0, 2, 4}),
        ({"actor": "bo"}, {1, 3}),
        ({"study_instance_uid": "1.2"}, {0}),
        ({"actions": ("search", "store")}, {1}),
        ({"outcomes": ("refused",)}, {2}),
        ({"doors": ("wado",)}, {0}),
        ({"recorded_from": NOON + timedelta(minutes=1)}, {1, 2, 3, 4}),
        ({"recorded_before": NOON + timedelta(minutes=1)}, {0}),
        ({"unit": "SE-U"}, {0}),
        ({"department": "SE-D"}, {1}),
        ({"departments": ("SE-D", "SE-E")}, {1, 2}),
        ({"address": "::1"}, {3}),
        ({"patient_id": 5, "actor": "bo"}, {1}),
        ({"patient_id": 7}, set()),
    ],
)
def test_every_filter(wanted, matching):
    events = [
        write(0, patient_id=5, study_instance_uid="1.2", door="wado", care_unit_hsa_id="SE-U"),
        write(1, patient_id=5, actor="bo", action="search", department_hsa_id="SE-D"),
        write(2, patient_id=6, outcome="refused", department_hsa_id="SE-E"),
        write(3, actor="viewer", on_behalf_of="bo", address="::1"),
        write(3, actor="anna", action="login"),
    ]
    assert set(found(**wanted)) == {events[number].pk for number in matching}
    assert count_events(LogFilter(**wanted)) == len(matching)


def test_one_event_by_its_number():
    event, _ = write(0), write(1)
    assert found(event_id=event.pk) == [event.pk]


def test_counts_come_along_without_further_questions(django_assert_num_queries):
    event = write(0)
    AccessSpan.objects.create(event=event, frames=7, last_at=NOON)
    with django_assert_num_queries(1):
        (row,) = search_events(LogFilter()).events
        assert row.span.frames == 7


def test_what_a_person_sees_is_what_was_recorded(monkeypatch):
    monkeypatch.setattr(audit, "_touches", {})
    audit.touch(Actor("person", "anna", Scope(), frozenset()), "1.2.3", 5, door="wado", rule="9")
    (event,) = search_events(LogFilter(patient_id=5)).events
    assert (event.actor, event.rule) == ("anna", "9")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2026-11-24_5",
        "2026-11-24T12:00:00_5",
        "2026-11-24T12:00:00+00:00_x",
        "2026-11-24T12:00:00+00:00_99999999999999999999",
    ],
)
def test_what_is_no_position(text):
    with pytest.raises(InvalidPosition):
        read_position(text)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(1, 1 << 62))
def test_a_position_survives_an_address(moment, number):
    position = LogPosition(moment, number)
    assert read_position(str(position)) == position


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (LogFilter(patient_id=5), "audit_by_patient"),
        (LogFilter(study_instance_uid="1.2.3"), "audit_by_study"),
        (LogFilter(recorded_from=NOON), "audit_by_time"),
        (LogFilter(), "audit_by_time"),
    ],
)
def test_each_question_has_its_index(wanted, index):
    if not is_sqlite():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    rows = _matching(wanted).order_by("-recorded_at", "-id")[:51]
    assert index in rows.explain()
