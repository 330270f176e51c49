"""Batches under many writers: what commits late is never sealed around."""

import random
import threading
import time

import pytest
from django.db import connection, transaction

from access import audit
from access.database import is_sqlite
from access.models import AuditEvent, AuditSeal
from access.seals import seal as sealing
from access.seals.seal import seal
from access.seals.settled import settled_event_id
from access.seals.verify import verify
from tests.access.seals.conftest import ACTOR, write_events

pytestmark = pytest.mark.django_db(transaction=True)


def in_thread(work) -> threading.Thread:
    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_event_that_is_not_committed_holds_back_what_came_after_it():
    written, may_commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            audit.record(ACTOR, "search")
            written.set()
            may_commit.wait(20)

    slow = in_thread(write_slowly)
    assert written.wait(20)
    if is_sqlite():  # one writer at a time: nobody can come after it
        may_commit.set()
    (late,) = write_events(1)
    assert settled_event_id(wait_s=0.1) == (late if is_sqlite() else 0)
    may_commit.set()
    slow.join()
    assert settled_event_id() == late
    assert seal() == 2


def test_a_transaction_that_only_reads_holds_back_nothing():
    reading, done = threading.Event(), threading.Event()

    def read() -> None:
        with transaction.atomic():
            AuditEvent.objects.count()
            reading.set()
            done.wait(20)

    (last,) = write_events(1)
    reader = in_thread(read)
    assert reading.wait(20)
    assert settled_event_id(wait_s=0) == last
    done.set()
    reader.join()


def test_eight_writers_and_a_sealer(monkeypatch):
    monkeypatch.setattr(sealing, "MOST_EVENTS", 7)
    writers_are_done = threading.Event()

    def write() -> None:
        for number in range(25):
            with transaction.atomic():
                audit.record(ACTOR, "search", detail={"number": number})
                if not is_sqlite():
                    time.sleep(random.random() / 100)
                if number % 7 == 0:
                    transaction.set_rollback(True)

    def seal_on() -> None:
        while not writers_are_done.is_set():
            seal()

    sealer = in_thread(seal_on)
    writers = [in_thread(write) for _ in range(8)]
    for writer in writers:
        writer.join()
    writers_are_done.set()
    sealer.join()
    seal()
    result = verify()
    assert result.faults == []
    assert (result.events, result.unsealed) == (8 * 21, 0)
    assert AuditSeal.objects.count() > 5
