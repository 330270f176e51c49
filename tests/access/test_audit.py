"""The access log: first touch durable, the rest counted, nothing lost but counts."""

import pytest

from access import audit
from access.actor import Actor, Scope
from access.models import AccessSpan, AuditEvent

pytestmark = pytest.mark.django_db

ACTOR = Actor(
    "person", "doktor", Scope(1, 1, 1), frozenset({"read"}), assignment_id=7, department_hsa_id="SE-1"
)


@pytest.fixture(autouse=True)
def _no_touches_from_before(monkeypatch):
    monkeypatch.setattr(audit, "_touches", {})


def test_an_event_holds_who_what_and_where_as_values():
    audit.record(ACTOR, "search", door="qido", detail={"query": "PatientID=1"})
    event = AuditEvent.objects.get()
    assert (event.actor, event.action, event.door) == ("doktor", "search", "qido")
    assert (event.assignment_id, event.department_hsa_id) == (7, "SE-1")
    assert event.detail == {"query": "PatientID=1"}


def test_the_first_touch_is_a_row_and_what_follows_is_counted():
    for _ in range(3):
        audit.touch(ACTOR, "1.2.3", 5, door="wado")
        audit.count(ACTOR, "1.2.3", door="wado", frames=10, bytes_sent=100)
    audit.touch(ACTOR, "1.2.4", 5, door="wado")
    assert AuditEvent.objects.filter(action="read").count() == 2
    audit.flush_counts()
    audit.flush_counts()
    span = AccessSpan.objects.get()
    assert (span.frames, span.bytes_sent, span.event.study_instance_uid) == (30, 300, "1.2.3")


def test_another_assignment_or_door_is_another_touch():
    audit.touch(ACTOR, "1.2.3", 5, door="wado")
    audit.touch(ACTOR, "1.2.3", 5, door="portal")
    audit.touch(
        Actor("person", "doktor", Scope(1, 1, 1), frozenset(), assignment_id=8), "1.2.3", 5, door="wado"
    )
    assert AuditEvent.objects.count() == 3


def test_after_the_window_a_touch_is_recorded_again(monkeypatch):
    now = 1000.0
    monkeypatch.setattr("access.audit.time.monotonic", lambda: now)
    audit.touch(ACTOR, "1.2.3", 5, door="wado")
    now += audit.WINDOW_S - 1
    audit.touch(ACTOR, "1.2.3", 5, door="wado")
    assert AuditEvent.objects.count() == 1
    now += 2
    audit.touch(ACTOR, "1.2.3", 5, door="wado")
    assert AuditEvent.objects.count() == 2
