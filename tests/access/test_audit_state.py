"""What the doctor says of the access log."""

from datetime import UTC, datetime, timedelta

import pytest

from access.audit_export.ship import EVENTS
from access.audit_state import count_unsealed, count_unshipped, find_log_troubles
from access.guards import install_guards
from access.models import AuditCursor, AuditEvent, AuditSeal
from access.seals.seal import seal
from tests.access.seals.conftest import sealing_files, write_events  # noqa: F401 (fixture)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sealing_files")]


def later(**time: int) -> datetime:
    return datetime.now(UTC) + timedelta(**time)


def test_a_log_that_is_guarded_sealed_and_sent_needs_nobody(settings):
    (last,) = write_events(1)
    seal()
    settings.SYSLOG_HOST = "repository"
    AuditCursor.objects.create(reader=EVENTS, event_id=last)
    install_guards()
    assert find_log_troubles(later(days=1)) == []
    assert (count_unsealed(), count_unshipped()) == (0, 0)


def test_what_waits_too_long_is_named(settings):
    settings.SYSLOG_HOST = "repository"
    install_guards()
    write_events(3)
    assert find_log_troubles(later(minutes=9)) == []
    (trouble,) = find_log_troubles(later(minutes=11))
    assert "not sealed since" in trouble
    assert "SAMSYN_AUDIT_KEY_FILE" in trouble
    _, trouble = find_log_troubles(later(hours=2))
    assert "repository repository has got nothing since" in trouble
    assert "3 events wait" in trouble
    assert (count_unsealed(), count_unshipped()) == (3, 3)


def test_without_a_repository_nothing_waits_for_it():
    install_guards()
    write_events(1)
    seal()
    assert count_unshipped() == 0
    assert find_log_troubles(later(days=1)) == []


def test_missing_guards_and_missing_seals_are_named():
    ids = write_events(1)
    seal()
    AuditSeal.objects.all().delete()
    AuditEvent.objects.filter(pk__in=ids).delete()
    guards, seals = find_log_troubles()
    assert "no triggers guard access_auditevent and access_auditseal" in guards
    assert "the database with none" in seals
