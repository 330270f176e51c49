"""Closing batches: nothing twice, nothing left out, and each names the one before it."""

import json
import os

import pytest

from access.duties import seal_log
from access.models import AuditEvent, AuditSeal
from access.seals import roots
from access.seals import seal as sealing
from access.seals.keys import UnusableSealingKey
from access.seals.roots import SealsMissing
from access.seals.seal import digest_of, seal
from access.seals.verify import verify
from tests.access.seals.conftest import write_events

pytestmark = pytest.mark.django_db


def test_batches_follow_each_other_without_a_gap(monkeypatch):
    monkeypatch.setattr(sealing, "MOST_EVENTS", 4)
    ids = write_events(10)
    assert seal() == 10
    assert seal() == 0
    ids += write_events(1)
    assert seal() == 1
    rows = list(AuditSeal.objects.order_by("number"))
    assert [row.event_count for row in rows] == [4, 4, 2, 1]
    assert [row.last_event_id for row in rows] == [ids[3], ids[7], ids[9], ids[10]]
    assert [row.first_event_id for row in rows] == [1, ids[3] + 1, ids[7] + 1, ids[9] + 1]
    assert [bytes(row.previous) for row in rows[1:]] == [digest_of(row) for row in rows[:-1]]
    result = verify()
    assert (result.seals, result.events, result.unsealed, result.faults) == (4, 11, 0, [])


def test_the_roots_are_exported_once_each(sealing_files):
    write_events(2)
    seal()
    write_events(1)
    seal()
    seal()
    lines = [json.loads(line) for line in (sealing_files / "roots.jsonl").read_text().splitlines()]
    assert lines == [roots.describe(row) for row in AuditSeal.objects.order_by("number")]


def test_half_a_line_after_a_power_cut_is_written_again(sealing_files):
    write_events(1)
    seal()
    path = sealing_files / "roots.jsonl"
    write_events(1)
    path.write_bytes(path.read_bytes() + b'{"number": 2, "fir')
    assert seal() == 1
    assert [line["number"] for line in roots.read_lines()] == [1, 2]
    assert verify().faults == []


def test_without_a_key_nothing_is_sealed(settings):
    settings.AUDIT_KEY_FILE = ""
    write_events(1)
    assert seal() == 0
    assert verify().unsealed == 1


def test_the_embedded_profile_makes_a_key_that_only_its_account_reads(sealing_files):
    write_events(1)
    seal()
    assert (sealing_files / "seal.key").stat().st_mode & 0o777 == 0o600
    before = (sealing_files / "seal.key").read_bytes()
    write_events(1)
    seal()
    assert (sealing_files / "seal.key").read_bytes() == before
    assert (sealing_files / "seal.pub").read_text().count("BEGIN PUBLIC KEY") == 1


def test_in_production_a_missing_or_open_key_is_an_error(settings, sealing_files):
    settings.PROFILE = "production"
    with pytest.raises(UnusableSealingKey, match="openssl genpkey -algorithm ed25519"):
        seal()
    settings.PROFILE = "embedded"
    seal()
    settings.PROFILE = "production"
    os.chmod(sealing_files / "seal.key", 0o640)
    with pytest.raises(UnusableSealingKey, match="open to others"):
        seal()


def test_a_key_that_was_replaced_still_verifies_what_it_signed(sealing_files):
    write_events(1)
    seal()
    (sealing_files / "seal.key").rename(sealing_files / "old.key")
    write_events(1)
    seal()
    assert (sealing_files / "seal.pub").read_text().count("BEGIN PUBLIC KEY") == 2
    assert verify().faults == []


def test_a_log_that_was_cut_is_not_sealed_over():
    write_events(2)
    seal()
    cut = write_events(2)
    seal()
    AuditSeal.objects.filter(number=2).delete()
    AuditEvent.objects.filter(pk__in=cut).delete()
    write_events(1)
    with pytest.raises(SealsMissing, match="ends with seal 2"):
        seal()
    assert any("seals 2 to 2 were exported" in fault for fault in verify().faults)


def test_of_two_processes_one_closes_the_batch(monkeypatch):
    write_events(3)
    seal()
    write_events(3)
    real = sealing._make_seal

    def let_another_win(key, last, rows):
        monkeypatch.setattr(sealing, "_make_seal", real)
        assert seal() == 3
        return real(key, last, rows)

    monkeypatch.setattr(sealing, "_make_seal", let_another_win)
    assert seal() == 0
    assert verify().faults == []
    assert AuditSeal.objects.count() == 2


def test_the_duty_complains_once_in_ten_minutes(sealing_files, caplog, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("access.duties.time.monotonic", lambda: now)
    monkeypatch.setattr("access.duties._said", {})
    write_events(1)
    assert seal_log() == 1
    AuditSeal.objects.all().delete()
    for _ in range(3):
        assert seal_log() == 0
    assert caplog.text.count("the access log is not sealed") == 1
    now += 601
    seal_log()
    assert caplog.text.count("the access log is not sealed") == 2
