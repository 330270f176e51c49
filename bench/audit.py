"""What the access log costs: one event, a series of 500 frames, many writers, sealing, verifying, messages.

usage: python bench/audit.py {sqlite,postgresql} [ROWS]

Makes a database of its own (PostgreSQL with fsync on) and removes it at the end.
"""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

FRAMES = 500
EVENTS = 500
WRITERS = 8


def main() -> None:
    """Set up a database, measure, clean up."""
    kind, rows = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50_000
    home = Path(tempfile.mkdtemp(prefix="samsyn-bench-"))
    os.environ |= {"SAMSYN_HOME": str(home), "DJANGO_SETTINGS_MODULE": "deploy.settings.test"}
    try:
        with start_database(kind) as cluster:
            if cluster is not None:
                os.environ["SAMSYN_TEST_POSTGRES"] = cluster.url
            measure(kind, rows, home)
    finally:
        shutil.rmtree(home)


def start_database(kind: str) -> AbstractContextManager[Any]:
    """Return a context with a cluster that flushes what it commits, or with nothing for SQLite."""
    if kind == "sqlite":
        return nullcontext()
    from tests.support import postgres

    postgres.OPTIONS |= {"fsync": "on", "full_page_writes": "on"}
    return postgres.run_postgres()


def measure(kind: str, rows: int, home: Path) -> None:
    """Print one line for each kind of work."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from access import audit
    from access.actor import Actor, Scope
    from access.audit_export.dicom_message import write_message
    from access.audit_export.labels import SourceLabel
    from access.models import AuditEvent
    from access.seals.seal import seal
    from access.seals.verify import verify

    settings.AUDIT_KEY_FILE = str(home / "seal.key")
    call_command("migrate", verbosity=0)
    actor = Actor(
        "person", "anna", Scope(), frozenset(), assignment_id=3, role="Radiologist", department_hsa_id="SE-1"
    )

    def write(number: int) -> None:
        audit.record(
            actor,
            "read",
            door="wado",
            study_instance_uid=f"1.2.{number}",
            patient_id=number,
            rule="8",
            reason="relation",
            basis=(f"relation:{number}",),
        )

    def read_series(number: int) -> None:
        for _ in range(FRAMES):
            audit.touch(actor, f"1.3.{number}", number, door="wado", rule="8", reason="relation")
            audit.count(actor, f"1.3.{number}", door="wado", frames=1, bytes_sent=524_288)

    print(f"{kind}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    show("one event", EVENTS, lambda: [write(n) for n in range(EVENTS)])
    before = AuditEvent.objects.count()
    show(f"a series of {FRAMES} frames", 20, lambda: [read_series(n) for n in range(20)])
    print(f"  durable rows of a series: {(AuditEvent.objects.count() - before) / 20:g}")

    def write_many(start: int) -> None:
        for number in range(start, start + EVENTS // WRITERS):
            write(number)
        connection.close()

    def write_together() -> None:
        threads = [threading.Thread(target=write_many, args=(n * EVENTS,)) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    show(f"one event, {WRITERS} writers", EVENTS // WRITERS * WRITERS, write_together)
    fill(rows)
    total = AuditEvent.objects.count()
    show("seal", total, seal)
    show("verify", total, verify)
    faults = verify().faults
    assert not faults, faults
    events = list(AuditEvent.objects.order_by("-id")[:2000])
    source = SourceLabel("bench")
    show("audit message (XML)", len(events), lambda: [write_message(event, {}, source) for event in events])
    connection.close()


def fill(rows: int) -> None:
    """Copy the rows that are there until there are enough."""
    from django.db import connection

    from access.models import AuditEvent

    names = [f.column for f in AuditEvent._meta.concrete_fields if not f.primary_key]
    columns = ", ".join(connection.ops.quote_name(name) for name in names)
    while (missing := rows - AuditEvent.objects.count()) > 0:
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO access_auditevent ({columns}) SELECT {columns} FROM access_auditevent LIMIT {missing}"
            )


def show(name: str, count: int, work: Callable[[], object]) -> None:
    """Run once, print time and CPU of one, and how many in a second."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:28} {wall / count * 1e3:9.3f} ms {cpu / count * 1e3:9.3f} ms CPU {count / wall:10.0f} /s")


if __name__ == "__main__":
    main()
