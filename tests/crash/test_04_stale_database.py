"""Case 4: after a failover to a replica that was behind, or still is one, nothing is sent."""

from pathlib import Path

import pytest
from django.db import DatabaseError, connection

from access import kept
from access.database import is_sqlite
from registry import changes
from registry.consent.blocks import Holder, register_block
from registry.models import Block, Change
from repository.delivery.duties import plan_deliveries, send_ready
from repository.journal.duty import write_journal
from repository.models import Delivery, JournalHead
from tests.crash.oracles import assert_exactly, uids_of
from tests.crash.workers import hurry, padded_source, send_all
from tests.registry.care import make_doctor
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_replica_that_was_behind_sends_nothing(region, make_quiet, folder: Path, system: Ward) -> None:
    """The block is in the journal; the database that took over never heard of it."""
    study = make_quiet(instances=2)
    write_journal()
    plan_deliveries()
    head = JournalHead.objects.get()
    position = changes.cursor_of("journal")
    register_block(make_doctor(region.hospital), study.person, Holder(unit_id=region.hospital.unit_id))
    write_journal()
    assert JournalHead.objects.get().sequence > head.sequence
    fall_back(head, position)
    kept.forget()
    hurry()
    assert not send_ready("w", padded_source())
    make_quiet()
    assert plan_deliveries() == frozenset()
    assert system.files == {}
    assert Delivery.objects.count() == 1


def fall_back(head: JournalHead, position: int) -> None:
    """Make the database what it was when the journal was at that head."""
    Block.objects.all().delete()
    Change.objects.filter(position__gt=position).delete()
    head.save()
    changes.save_cursor("journal", position)


def test_a_database_that_is_up_to_date_sends(region, make_quiet, folder: Path, system: Ward) -> None:
    study = make_quiet(instances=2)
    write_journal()
    send_all()
    write_journal()
    assert_exactly(system, uids_of(study))


def test_a_replica_that_takes_no_writes_sends_nothing(region, make_quiet, folder: Path, system: Ward) -> None:
    study = make_quiet(instances=2)
    plan_deliveries()
    set_read_only(True)
    try:
        with pytest.raises(DatabaseError):
            send_ready("w", padded_source())
    finally:
        connection.close()
        set_read_only(False)
    assert system.files == {}
    send_all()
    assert_exactly(system, uids_of(study))


def set_read_only(on: bool) -> None:
    with connection.cursor() as cursor:
        if is_sqlite():
            cursor.execute(f"PRAGMA query_only = {'ON' if on else 'OFF'}")
        else:
            cursor.execute(f"SET default_transaction_read_only = {'on' if on else 'off'}")
