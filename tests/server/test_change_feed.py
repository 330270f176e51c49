"""The change feed under load: what was committed is read once, in whatever order it was committed."""

import threading
from collections import Counter

import pytest
from django.db import connection

from access.database import is_sqlite, write_transaction
from registry.changes import append, cursor_of, read_since, save_cursor
from registry.models import Change

COMMITTERS = 16
CHANGES_EACH = 25
PATIENCE_S = 60.0

pytestmark = pytest.mark.django_db(transaction=True)


def in_thread(work, *arguments) -> threading.Thread:
    """Start `work` in a thread that closes its database connection at the end."""

    def run() -> None:
        try:
            work(*arguments)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def commit_changes(committer: int, start: threading.Barrier) -> None:
    start.wait(PATIENCE_S)
    for number in range(CHANGES_EACH):
        with write_transaction():
            append("test", detail={"committer": committer, "number": number})


def hold_a_change(appended: threading.Event, release: threading.Event) -> None:
    """Append first and commit last: the row has the lowest id of all and becomes visible after the others."""
    with write_transaction():
        append("test", detail={"committer": "older", "number": 0})
        appended.set()
        release.wait(PATIENCE_S)


def position_of(change: Change) -> int:
    """Return the position of a change that was read, which therefore has one."""
    assert change.position is not None
    return change.position


def read_steadily(reader: str, seen: list[tuple[object, int]], everything_committed: threading.Event) -> None:
    """Read as a duty does, cursor and work in one transaction, until nothing is left after the last commit."""
    while True:
        last_round = everything_committed.is_set()
        changes = read_since(cursor_of(reader), limit=7)
        if not changes and last_round:
            return
        if changes:
            with write_transaction():
                save_cursor(reader, position_of(changes[-1]))
            seen += [(change.detail["committer"], change.detail["number"]) for change in changes]


def test_no_row_is_lost_or_read_twice_while_an_older_transaction_stays_open() -> None:
    appended, release, everything_committed = threading.Event(), threading.Event(), threading.Event()
    start = threading.Barrier(COMMITTERS)
    seen: dict[str, list[tuple[object, int]]] = {"first": [], "second": []}

    older = in_thread(hold_a_change, appended, release)
    assert appended.wait(PATIENCE_S)
    committers = [in_thread(commit_changes, committer, start) for committer in range(COMMITTERS)]
    readers = [in_thread(read_steadily, name, rows, everything_committed) for name, rows in seen.items()]
    if is_sqlite():
        # One writer at a time: the older one keeps the turnstile, so the others get their turn after it.
        release.set()
    for thread in committers:
        thread.join(PATIENCE_S)
    release.set()
    older.join(PATIENCE_S)
    everything_committed.set()
    for thread in readers:
        thread.join(PATIENCE_S)

    expected: set[tuple[object, int]] = {
        (committer, number) for committer in range(COMMITTERS) for number in range(CHANGES_EACH)
    }
    expected.add(("older", 0))
    for name, rows in seen.items():
        counts = Counter(rows)
        assert set(counts) == expected, f"reader {name} missed {sorted(expected - set(counts), key=str)[:5]}"
        assert max(counts.values()) == 1, f"reader {name} read a change twice"


def test_a_change_committed_late_comes_after_those_already_read() -> None:
    if is_sqlite():
        return_order_on_one_writer()
        return
    appended, release = threading.Event(), threading.Event()
    older = in_thread(hold_a_change, appended, release)
    assert appended.wait(PATIENCE_S)
    with write_transaction():
        append("test", detail={"committer": "newer", "number": 0})
    first = read_since(0)
    assert [change.detail["committer"] for change in first] == ["newer"]
    release.set()
    older.join(PATIENCE_S)
    second = read_since(position_of(first[-1]))
    assert [change.detail["committer"] for change in second] == ["older"]
    assert second[0].pk < first[0].pk
    assert position_of(second[0]) > position_of(first[0])


def return_order_on_one_writer() -> None:
    """On SQLite nobody can commit beside an open write; the order of commits is the order of positions."""
    for name in ("first", "second"):
        with write_transaction():
            append("test", detail={"committer": name, "number": 0})
    assert [change.detail["committer"] for change in read_since(0)] == ["first", "second"]


def test_one_committer_keeps_its_own_order() -> None:
    start = threading.Barrier(4)
    for thread in [in_thread(commit_changes, committer, start) for committer in range(4)]:
        thread.join(PATIENCE_S)
    orders: dict[object, list[int]] = {}
    for change in read_since(0):
        orders.setdefault(change.detail["committer"], []).append(change.detail["number"])
    assert orders == {committer: list(range(CHANGES_EACH)) for committer in range(4)}
