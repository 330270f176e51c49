"""Whoever owns the database and changes the log is found: the batch is named."""

from collections.abc import Callable
from io import StringIO
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command
from django.db import connection

from access.models import AuditEvent, AuditSeal
from access.seals import seal as sealing
from access.seals.canonical import COLUMNS as COLUMNS_UNDER_SEAL
from access.seals.canonical import encode_row, merkle_root
from access.seals.keys import read_signing_key
from access.seals.seal import digest_of, payload_of, seal
from access.seals.verify import verify
from tests.access.seals.conftest import write_events

pytestmark = pytest.mark.django_db


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def sealed(monkeypatch) -> list[int]:
    """Three batches of four events; returns the ids."""
    monkeypatch.setattr(sealing, "MOST_EVENTS", 4)
    ids = write_events(12)
    seal()
    assert verify().faults == []
    return ids


COLUMNS = {
    "actor": "'someone'",
    "patient_id": "99",
    "study_instance_uid": "'1.2.3'",
    "recorded_at": "'2020-01-01 00:00:00+00'",
    "role": "'Nurse'",
    "outcome": "'refused'",
    "detail": """'{"query": "PatientID=77", "å": 5}'""",
}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_changed_value_names_its_batch(sealed, column):
    run(f"UPDATE access_auditevent SET {column} = {COLUMNS[column]} WHERE id = {sealed[5]}")
    assert verify().faults == [f"batch 2 (events {sealed[3] + 1}-{sealed[7]}): an event was changed"]


def test_a_deleted_row_names_its_batch(sealed):
    run(f"DELETE FROM access_auditevent WHERE id = {sealed[5]}")
    (fault,) = verify().faults
    assert fault.endswith("4 events were sealed, 3 are there")
    assert fault.startswith("batch 2")


def test_two_rows_that_change_places_are_found(sealed):
    first, second = (AuditEvent.objects.get(pk=pk) for pk in sealed[4:6])
    first.pk, second.pk = second.pk, first.pk
    first.save()
    second.save()
    assert [fault[:7] for fault in verify().faults] == ["batch 2"]


def test_a_row_slipped_in_where_an_id_was_never_used_is_found(sealed):
    row = AuditEvent.objects.get(pk=sealed[-1])
    row.pk = sealed[-1] + 5
    row.save(force_insert=True)
    seal()
    row.pk = sealed[-1] + 2
    row.save(force_insert=True)
    (fault,) = verify().faults
    assert fault.startswith("batch 4")
    assert fault.endswith("1 events were sealed, 2 are there")


def test_a_row_before_the_first_is_found(sealed):
    row = AuditEvent.objects.get(pk=sealed[0])
    row.pk = -3
    row.save(force_insert=True)
    assert verify().faults == ["before seal 1: 1 events that no seal covers"]


def test_a_removed_seal_in_the_middle_is_found(sealed):
    AuditSeal.objects.filter(number=2).delete()
    assert "seal 2: missing" in verify().faults


def test_removed_seals_at_the_end_are_found_by_the_exported_roots(sealed):
    AuditSeal.objects.filter(number__gt=1).delete()
    result = verify()
    assert result.faults == ["seals 2 to 3 were exported and are not in the database"]
    assert result.unsealed == 8


def forge(change: Callable[[], None], key: Ed25519PrivateKey) -> None:
    """Change the log and seal it again from batch 2 on, as somebody with the whole database can."""
    change()
    rows = list(AuditSeal.objects.order_by("number"))
    for before, row in pairwise(rows):
        events = AuditEvent.objects.filter(id__range=(row.first_event_id, row.last_event_id)).order_by("id")
        values = list(events.values_list(*COLUMNS_UNDER_SEAL))
        row.event_count = len(values)
        row.root = merkle_root([encode_row(value) for value in values])
        row.previous = digest_of(before)
        row.signature = key.sign(payload_of(row))
        row.save()


def test_a_log_that_was_sealed_again_has_the_wrong_signature_and_other_roots(sealed):
    forge(lambda: run(f"DELETE FROM access_auditevent WHERE id = {sealed[5]}"), Ed25519PrivateKey.generate())
    faults = verify().faults
    assert "seal 2: the signature is not of a known key" in faults
    assert "seal 3: not the one that was exported" in faults
    assert not any(fault.startswith("batch") for fault in faults)


def test_even_with_the_key_the_exported_roots_tell(sealed, sealing_files):
    key = read_signing_key()
    forge(lambda: run(f"DELETE FROM access_auditevent WHERE id = {sealed[5]}"), key)
    assert verify().faults == [f"seal {number}: not the one that was exported" for number in (2, 3)]


def test_a_broken_link_is_found(sealed):
    row = AuditSeal.objects.get(number=2)
    row.previous = bytes(32)
    row.signature = read_signing_key().sign(payload_of(row))
    row.save()
    assert "seal 2: does not continue the seal before it" in verify().faults


def test_the_command_says_so_and_ends_with_an_error(sealed):
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert "3 seals over 12 events" in out.getvalue()
    run(f"UPDATE access_auditevent SET actor = 'x' WHERE id = {sealed[0]}")
    with pytest.raises(CommandError, match="1 fault"):
        call_command("verify_audit", stdout=out)
    assert "! batch 1" in out.getvalue()


def test_the_command_needs_keys(sealed, tmp_path):
    with pytest.raises(CommandError, match="cannot be read as public keys"):
        call_command("verify_audit", public_keys=str(tmp_path / "nothing.pub"))
