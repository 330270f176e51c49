"""The access log: first touch durable, the rest counted, nothing lost but counts."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

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


@pytest.mark.django_db(transaction=True)
def test_first_touches_at_the_same_moment_are_one_row():
    """A viewer asks for many pictures at once; a series is one row all the same."""
    together = Barrier(8)

    def read() -> None:
        together.wait(10)
        try:
            audit.touch(ACTOR, "1.2.3", 5, door="wado", rule="8")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(read) for _ in range(8)]:
            future.result()
    assert AuditEvent.objects.count() == 1


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


def test_an_event_names_role_unit_rule_reason_and_what_the_decision_rests_on():
    nurse = Actor(
        "person", "anna", Scope(), frozenset(), assignment_id=3, role="Nurse", care_unit_hsa_id="SE-U1"
    )
    audit.record(nurse, "read", rule="9", reason="consent", basis=("consent:12",), detail={"pages": 2})
    event = AuditEvent.objects.get()
    assert (event.role, event.care_unit_hsa_id, event.on_behalf_of) == ("Nurse", "SE-U1", "")
    assert event.rule == "9"
    assert event.detail == {"pages": 2, "reason": "consent", "basis": ["consent:12"]}


def test_a_system_that_asks_for_a_person_names_both():
    nurse = Actor(
        "person", "anna", Scope(), frozenset(), assignment_id=3, role="Nurse", care_unit_hsa_id="SE-U1"
    )
    system = Actor("system", "viewer", Scope(), frozenset(), department_hsa_id="SE-2", on_behalf_of=nurse)
    other = Actor("system", "viewer", Scope(), frozenset(), department_hsa_id="SE-2", on_behalf_of=ACTOR)
    for actor in (system, other, system):
        audit.touch(actor, "1.2.3", 5, door="wado")
    first, second = AuditEvent.objects.order_by("id")
    assert (first.actor, first.on_behalf_of, first.role) == ("viewer", "anna", "Nurse")
    assert (first.assignment_id, first.department_hsa_id, first.care_unit_hsa_id) == (3, "SE-2", "SE-U1")
    assert (second.on_behalf_of, second.department_hsa_id) == ("doktor", "SE-1")


def test_a_record_is_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        audit.record(ACTOR, "search", door="qido", detail={"query": "PatientID=1"})


def test_text_that_a_database_refuses_is_recorded_all_the_same():
    audit.record(ACTOR, "search", detail={"text": "a\0b\ud800", "list": ["\0"], "number": 1})
    assert AuditEvent.objects.get().detail == {"text": "a\ufffdb?", "list": ["\ufffd"], "number": 1}


def test_counts_that_wait_are_written_when_the_window_is_renewed(monkeypatch):
    now = 1000.0
    monkeypatch.setattr("access.audit.time.monotonic", lambda: now)
    audit.touch(ACTOR, "1.2.3", 5, door="wado")
    audit.count(ACTOR, "1.2.3", door="wado", frames=3)
    now += audit.WINDOW_S + 1
    audit.touch(ACTOR, "1.2.3", 5, door="wado")
    assert AccessSpan.objects.get().frames == 3


def test_what_cannot_be_recorded_is_an_error_of_its_own():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE access_auditevent RENAME TO elsewhere")
    with pytest.raises(audit.UnrecordedAccess, match="cannot be written"):
        audit.record(ACTOR, "search")
