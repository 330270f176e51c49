"""The log in a real rsyslog, over TLS with certificates of both sides: everything arrives, whatever happens to it."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from access import audit
from access.audit_export import ship as shipping
from access.audit_export.labels import PatientLabel
from access.audit_export.ship import ship
from access.audit_export.syslog import Repository, RepositoryUnreachable, send
from access.audit_state import count_unshipped
from access.models import AuditCursor, AuditEvent, AuditSeal
from access.seals.seal import seal
from tests.access.seals.conftest import ACTOR, sealing_files  # noqa: F401 (fixture)
from tests.support.certificates import make_certificates
from tests.support.processes import wait_until
from tests.support.rsyslog import RsyslogServer, run_rsyslog

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sealing_files")]

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parent / "audit_message.rng"))


def find_patients(keys):
    return {key: PatientLabel(f"19121212{key:04d}", "1.2.752.129.2.1.3.1") for key in keys}


@pytest.fixture
def rsyslog(tmp_path_factory, settings, monkeypatch) -> Iterator[RsyslogServer]:
    """A repository that is running, and named in the settings."""
    with run_rsyslog(tmp_path_factory.mktemp("rsyslog")) as server:
        settings.SYSLOG_HOST, settings.SYSLOG_PORT = "127.0.0.1", server.port
        settings.SYSLOG_CA_FILE = str(server.certificates.ca)
        settings.SYSLOG_CERTIFICATE_FILE = str(server.certificates.client_certificate)
        settings.SYSLOG_KEY_FILE = str(server.certificates.client_key)
        settings.AUDIT_SOURCE_ID = "https://samsyn.example"
        monkeypatch.setattr(shipping, "WAITS_S", (0,))
        monkeypatch.setattr(shipping._Pause, "until", 0.0)
        yield server


def write(count: int) -> list[int]:
    """Write events about patients, with letters that are not ASCII; returns their ids."""
    return [
        audit.record(
            ACTOR,
            "read",
            door="wado",
            study_instance_uid=f"1.2.{n}",
            patient_id=n,
            reason="took_part",
            detail={"words": "Öppnad\nav läkare", "n": n},
        )
        for n in range(count)
    ]


def numbers(server: RsyslogServer, message_id: str = "DICOM+RFC3881") -> list[int]:
    return [int(m["sequence"]) for m in server.read() if m["id"] == message_id]


def await_numbers(server: RsyslogServer, wanted: set[int]) -> None:
    wait_until(server.process, lambda: set(numbers(server)) >= wanted, "the messages in rsyslog's file")


def test_every_event_arrives_as_a_valid_message_and_the_seals_after_it(rsyslog):
    ids = write(3)
    seal()
    assert ship(find_patients) == 4
    await_numbers(rsyslog, set(ids))
    messages = rsyslog.read()
    assert [m["id"] for m in messages] == ["DICOM+RFC3881"] * 3 + ["SAMSYN+SEAL"]
    assert {m["priority"] for m in messages} == {"85"}
    assert {m["bom"] for m in messages} == {"\ufeff"}
    assert {m["application"] for m in messages} == {"samsyn"}
    for message, event in zip(messages, AuditEvent.objects.order_by("id"), strict=False):
        xml = etree.fromstring(message["text"])
        SCHEMA.assertValid(xml)
        assert message["time"] == event.recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        study, patient = xml.findall("ParticipantObjectIdentification")
        assert study.get("ParticipantObjectID") == event.study_instance_uid
        assert patient.get("ParticipantObjectID").startswith(f"19121212{event.patient_id:04d}^^^&")
    assert json.loads(messages[-1]["text"])["root"] == bytes(AuditSeal.objects.get().root).hex()
    assert ship(find_patients) == 0


def test_a_repository_that_is_away_gets_everything_when_it_is_back(rsyslog, monkeypatch):
    monkeypatch.setattr(shipping, "MOST_AT_ONCE", 10)
    ids = write(25)
    ship(find_patients)
    rsyslog.stop()
    ids += write(25)
    for _ in range(3):
        assert ship(find_patients) == 0
    assert count_unshipped() == 25
    rsyslog.start()
    ids += write(5)
    assert ship(find_patients) == 30
    await_numbers(rsyslog, set(ids))
    assert numbers(rsyslog) == ids


def test_it_waits_longer_after_every_failure(rsyslog, monkeypatch, caplog):
    now = 1000.0
    monkeypatch.setattr("access.audit_export.ship.time.monotonic", lambda: now)
    monkeypatch.setattr(shipping, "WAITS_S", (5, 60))
    write(1)
    rsyslog.stop()
    ship(find_patients)
    assert "tried again in 5 s, nothing is lost" in caplog.text
    tried = len(caplog.records)
    now += 4
    ship(find_patients)
    assert len(caplog.records) == tried
    now += 2
    ship(find_patients)
    assert "tried again in 60 s" in caplog.text
    rsyslog.start()
    now += 61
    assert ship(find_patients) == 1


def test_one_that_is_killed_while_it_reads_gets_the_messages_again(rsyslog, monkeypatch):
    """Stopped in its tracks it neither reads nor closes: what went into its socket does not count as arrived."""
    monkeypatch.setattr("access.audit_export.syslog.TIMEOUT_S", 1.0)
    ids = write(20)
    rsyslog.process.popen.send_signal(signal.SIGSTOP)
    assert ship(find_patients) == 0
    assert count_unshipped() == 20
    rsyslog.process.popen.send_signal(signal.SIGCONT)
    rsyslog.stop(signal.SIGKILL)
    rsyslog.start()
    assert ship(find_patients) == 20
    await_numbers(rsyslog, set(ids))


def test_two_shippers_at_once_lose_nothing(rsyslog, monkeypatch):
    ids = write(5)
    real = send

    def let_another_ship_first(repository, messages):
        monkeypatch.setattr(shipping, "send", real)
        assert ship(find_patients) == 5
        real(repository, messages)

    monkeypatch.setattr(shipping, "send", let_another_ship_first)
    ship(find_patients)
    assert AuditCursor.objects.get(reader=shipping.EVENTS).event_id == ids[-1]
    await_numbers(rsyslog, set(ids))


def test_who_cannot_show_a_certificate_or_is_not_whom_we_know_gets_nothing(rsyslog, tmp_path):
    known = rsyslog.certificates
    good = Repository(
        "127.0.0.1", rsyslog.port, str(known.ca), str(known.client_certificate), str(known.client_key)
    )
    send(good, [])
    for size_bytes in (1, 100, 100_000):  # it closes on a client without a certificate, sooner or later
        for _ in range(5):
            with pytest.raises(RepositoryUnreachable):
                send(replace(good, certificate_file="", key_file=""), [b"x" * size_bytes] * 3)
    with pytest.raises(RepositoryUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        send(replace(good, ca_file=""), [b"x"])
    stranger = make_certificates(tmp_path)
    with pytest.raises(RepositoryUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
        send(replace(good, ca_file=str(stranger.ca)), [b"x"])
    assert rsyslog.read() == []


def test_without_a_repository_nothing_is_sent(settings):
    settings.SYSLOG_HOST = ""
    write(1)
    assert ship(find_patients) == 0
    assert not AuditCursor.objects.exists()
