"""The access log of the embedded profile: guarded by `up`, sealed by the duties, and whoever changes the file is found."""

import sqlite3
import time

import pytest

from tests.support.dicom import make_ct
from tests.support.http import make_pool, store
from tests.support.samsyn import CommandFailed, SamsynServer

pytestmark = pytest.mark.server

COUNT = "from access.models import AuditSeal; print(AuditSeal.objects.count())"


@pytest.fixture(scope="module")
def sealed(samsyn_server: SamsynServer) -> SamsynServer:
    """A server that has stored something and sealed it, by itself."""
    answer = store(make_pool(), samsyn_server.dicomweb_url, samsyn_server.issue_token(), [make_ct()])
    assert answer.status == 200
    deadline = time.monotonic() + 60
    while not int(samsyn_server.run_code(COUNT)):
        assert time.monotonic() < deadline, samsyn_server.log_path.read_text()
        time.sleep(0.5)
    return samsyn_server


def change(server: SamsynServer, *statements: str) -> None:
    connection = sqlite3.connect(server.home / "samsyn.sqlite3", timeout=20)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_what_lies_beside_the_database(sealed: SamsynServer) -> None:
    assert (sealed.home / "audit" / "seal.key").stat().st_mode & 0o777 == 0o600
    assert (sealed.home / "audit" / "roots.jsonl").read_text().startswith('{"number": 1')
    assert "events wait for a seal" in sealed.run_command("verify_audit")


def test_start_and_stop_are_in_the_log(sealed: SamsynServer) -> None:
    sealed.stop()
    sealed.start()
    told = sealed.run_code(
        "from access.models import AuditEvent;"
        "print(*AuditEvent.objects.filter(door='command').order_by('id').values_list('action', 'outcome'))"
    )
    start, stop = "('application_start', 'success')", "('application_stop', 'success')"
    assert told.strip() == f"{start} {stop} {start}"


@pytest.mark.parametrize("table", ["access_auditevent", "access_auditseal"])
def test_another_program_cannot_change_the_log_by_mistake(sealed: SamsynServer, table: str) -> None:
    for statement in (f"UPDATE {table} SET id = id + 1000", f"DELETE FROM {table}"):
        with pytest.raises(sqlite3.IntegrityError, match="the access log is only added to"):
            change(sealed, statement)


def test_whoever_takes_the_triggers_away_is_found(sealed: SamsynServer) -> None:
    change(
        sealed,
        "DROP TRIGGER access_auditevent_no_update",
        "UPDATE access_auditevent SET outcome = 'refused' WHERE id = 1",
    )
    with pytest.raises(CommandFailed, match=r"! batch 1 \(events 1-\d+\): an event was changed"):
        sealed.run_command("verify_audit")
    with pytest.raises(CommandFailed, match="no triggers guard access_auditevent"):
        sealed.run_command("doctor")
