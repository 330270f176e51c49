"""The spool of the access log: durable, only for what may, and written to the log once, whatever dies in between."""

import json
import os
import stat
from functools import partial
from pathlib import Path

import pytest
from django.db import transaction

from access import audit, audit_spool
from access.actor import Actor, Scope
from access.audit_state import find_log_troubles
from access.guards import install_guards
from access.models import AccessSpan, AuditEvent
from tests.support.refused_audit import refused_audit

pytestmark = pytest.mark.django_db
ACTOR = Actor("person", "doktor", Scope(1, 1, 1), frozenset({"read"}), assignment_id=7, role="Läkare")


@pytest.fixture(autouse=True)
def spool(settings, tmp_path) -> Path:
    """Give each test a spool of its own."""
    audit._touches.clear()
    root = Path(tmp_path) / "audit" / "spool"
    settings.AUDIT_SPOOL_ROOT = str(root)
    return root


def keep_one() -> None:
    with refused_audit():
        audit.record(ACTOR, "read", patient_id=5, rule="13", detail={"text": "å"}, may_spool=True)


def files(spool: Path, suffix: str = audit_spool.SUFFIX) -> list[Path]:
    return sorted(spool.glob(f"*{suffix}"))


def test_what_may_be_spooled_is_and_all_else_is_refused(spool):
    with refused_audit():
        with pytest.raises(audit.UnrecordedAccess), transaction.atomic():
            audit.record(ACTOR, "read", patient_id=5)
        assert audit.record(ACTOR, "read", patient_id=5, may_spool=True) == audit.SPOOLED
        assert not audit.can_record()
    assert audit.can_record()
    assert AuditEvent.objects.count() == 0
    (kept,) = files(spool)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.stat().st_mode) == 0o700
    assert audit_spool.count_spooled() == 1


def test_the_row_comes_to_the_log_as_it_was_and_the_file_goes(spool):
    keep_one()
    event = json.loads(json.loads(files(spool)[0].read_bytes())["event"])
    assert audit_spool.replay() == 1
    row = AuditEvent.objects.get()
    assert (row.actor, row.role, row.assignment_id, row.patient_id, row.rule) == (
        "doktor",
        "Läkare",
        7,
        5,
        "13",
    )
    assert row.recorded_at.isoformat() == event["recorded_at"]
    assert row.detail["text"] == "å"
    assert row.detail["spooled"]
    assert files(spool) == []
    assert (audit_spool.replay(), audit_spool.count_spooled()) == (0, 0)


def test_it_waits_while_the_log_is_away(spool):
    keep_one()
    with refused_audit():
        assert audit_spool.replay() == 0
    assert len(files(spool)) == 1
    assert audit_spool.replay() == 1


def test_dying_between_the_commit_and_the_removal_makes_no_second_row(spool, monkeypatch):
    keep_one()
    with monkeypatch.context() as dying:
        dying.setattr(Path, "unlink", lambda _path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            audit_spool.replay()
    assert (AuditEvent.objects.count(), len(files(spool))) == (1, 1)
    audit_spool.replay()
    assert (AuditEvent.objects.count(), len(files(spool))) == (1, 0)


def test_dying_before_the_name_is_final_answers_nothing(spool, monkeypatch):
    with monkeypatch.context() as dying:
        dying.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError("no more")))
        with refused_audit(), pytest.raises(audit.UnrecordedAccess, match="neither"):
            audit.record(ACTOR, "read", may_spool=True)
    assert files(spool) == []
    assert audit_spool.replay() == 0


def test_file_and_folder_are_flushed_before_it_counts_as_kept(spool, monkeypatch):
    done = []

    def watch(real, name, *arguments):
        done.append(name)
        return real(*arguments)

    for name in ("fdatasync", "fsync", "rename"):
        monkeypatch.setattr(os, name, partial(watch, getattr(os, name), name))
    keep_one()
    assert done == ["fsync", "fdatasync", "rename", "fsync"]


@pytest.mark.parametrize(
    "spoil", [lambda text: text.replace("doktor", "annan"), lambda _: "{", lambda _: "[]"]
)
def test_what_was_changed_is_put_aside_and_reported(spool, spoil):
    keep_one()
    (kept,) = files(spool)
    kept.write_text(spoil(kept.read_text()))
    install_guards()
    assert audit_spool.replay() == 0
    assert AuditEvent.objects.count() == 0
    assert len(files(spool, audit_spool.UNREADABLE)) == 1
    (trouble,) = find_log_troubles()
    assert trouble.startswith(f"1 events of emergencies wait in {spool}")


def test_an_older_secret_key_still_reads(spool, settings):
    keep_one()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert audit_spool.replay() == 1


def test_two_processes_do_not_replay_at_once(spool):
    keep_one()
    with audit_spool._alone(spool) as is_alone:
        assert is_alone
        assert audit_spool.replay() == 0
    assert audit_spool.replay() == 1


def test_a_spooled_touch_stands_for_its_window_and_counts_nothing(spool):
    with refused_audit():
        for _ in range(3):
            audit.touch(ACTOR, "1.2.3", 5, door="wado", rule="13", may_spool=True)
            audit.count(ACTOR, "1.2.3", door="wado", frames=1)
    audit.flush_counts()
    assert len(files(spool)) == 1
    assert AccessSpan.objects.count() == 0
