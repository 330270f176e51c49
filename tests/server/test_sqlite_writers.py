"""SQLite under sixteen writing processes: everybody gets a turn, nobody sees a lock error."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.samsyn import PROJECT, SamsynServer, copy_embedded

pytestmark = pytest.mark.server

WRITERS = 16
COUNT_ROWS = """
from access.models import AuditEvent
from registry.models import Change, Instance, Study
print(Study.objects.count(), Instance.objects.count(), AuditEvent.objects.filter(action="read").count())
"""


@pytest.fixture
def home(embedded_template: Path, tmp_path: Path) -> SamsynServer:
    """An installation that is not running: the writers are the only ones."""
    return copy_embedded(embedded_template, tmp_path / "home", {})


def run_writers(home: SamsynServer, seconds: float) -> list[dict]:
    """Run all writers at once and return what each has done."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.writer", str(seconds), f"writer-{number}"],
            env=home.environment,
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    works = []
    for writer in writers:
        output, errors = writer.communicate(timeout=seconds + 120)
        assert writer.returncode == 0, errors
        works.append(json.loads(output.splitlines()[-1]))
    return works


def assert_all_had_their_turn(home: SamsynServer, works: list[dict]) -> None:
    """No error, nobody far behind the others, and every answered store is a row."""
    assert [error for work in works for error in work["errors"]] == []
    stores = [work["stores"] for work in works]
    assert min(stores) >= statistics.median(stores) / 4, f"somebody was starved: {sorted(stores)}"
    assert min(stores) >= 2, f"too little happened to say anything: {sorted(stores)}"
    studies, instances, audits = map(int, home.run_code(COUNT_ROWS).split())
    assert (studies, instances, audits) == (sum(stores), 2 * sum(stores), sum(w["audits"] for w in works))
    assert len(home.list_packs()) == sum(stores)


def test_sixteen_processes_store_and_audit(home: SamsynServer) -> None:
    assert_all_had_their_turn(home, run_writers(home, 12))


@pytest.mark.long
def test_sixteen_processes_store_and_audit_for_a_minute(home: SamsynServer) -> None:
    assert_all_had_their_turn(home, run_writers(home, 60))
