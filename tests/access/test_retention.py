"""The end of retention: old batches go, the log says so, and the seals still hold."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from access.guards import install_guards, lift_guards
from access.models import AccessSpan, AuditEvent, AuditSeal
from access.retention import LEAST_AGE, TooYoung, erase_before
from access.seals.seal import seal
from access.seals.verify import verify
from tests.access.seals.conftest import sealing_files, write_events  # noqa: F401 (fixture)

pytestmark = pytest.mark.django_db
NOW = timezone.now()
LONG_AGO = NOW - LEAST_AGE - timedelta(days=30)


@pytest.fixture
def three_batches(sealing_files, monkeypatch):  # noqa: F811
    """Two batches of long ago and one of today, guarded."""
    ids = []
    for moment in (LONG_AGO, LONG_AGO + timedelta(days=1), NOW):
        monkeypatch.setattr("django.utils.timezone.now", lambda moment=moment: moment)
        ids += write_events(3)
        seal()
    monkeypatch.undo()
    AccessSpan.objects.create(event_id=ids[0], last_at=NOW)
    AccessSpan.objects.create(event_id=ids[8], last_at=NOW)
    install_guards()
    return ids


@pytest.fixture(autouse=True)
def same_files(sealing_files, settings):  # noqa: F811
    """Keep the files of the test when a patch of the clock is taken back."""
    return settings


def test_old_batches_go_and_the_rest_still_verifies(three_batches):
    out = StringIO()
    call_command("erase_audit", before=(LONG_AGO + timedelta(days=10)), stdout=out)
    assert "6 events erased" in out.getvalue()
    assert set(AuditEvent.objects.values_list("pk", flat=True)) >= set(three_batches[6:])
    assert AuditEvent.objects.filter(pk__lte=three_batches[5]).count() == 0
    assert AccessSpan.objects.get().event_id == three_batches[8]
    assert AuditSeal.objects.count() == 3
    seal()
    result = verify()
    assert (result.faults, result.erased) == ([], 6)
    assert erase_before(LONG_AGO + timedelta(days=10)) == 0


def test_what_is_younger_than_the_law_asks_stays(three_batches):
    with pytest.raises(TooYoung):
        erase_before(NOW)
    with pytest.raises(CommandError, match="give a moment before"):
        call_command("erase_audit", before=NOW)


def test_rows_that_went_without_a_word_or_too_early_are_a_fault(three_batches):
    with lift_guards():
        AuditEvent.objects.filter(pk__lte=three_batches[2]).delete()
    assert [fault[:7] for fault in verify().faults] == ["batch 1"]
    erase_before(LONG_AGO + timedelta(days=10))
    seal()
    assert [fault[:7] for fault in verify().faults] == ["batch 1"]
    with lift_guards():
        AuditEvent.objects.filter(pk__range=(three_batches[6], three_batches[8])).delete()
    assert [fault[:7] for fault in verify().faults] == ["batch 1", "batch 3"]


def test_half_a_batch_is_never_erased(three_batches):
    erase_before(LONG_AGO + timedelta(hours=1))
    seal()
    assert verify().erased == 3
    with lift_guards():
        AuditEvent.objects.filter(pk=three_batches[3]).delete()
    assert [fault[:7] for fault in verify().faults] == ["batch 2"]
