"""Registering senders of HL7 v2, and looking after what was refused."""

import io

import pytest
from django.core.management import CommandError, call_command

from registry.models import Hl7Source, Order, ReceivedMessage
from tests.registry.factories import make_department
from tests.support.hl7v2 import PNR, make_message, pid, send, take

pytestmark = pytest.mark.django_db


def run_command(*arguments: str) -> str:
    written = io.StringIO()
    call_command(*arguments, stdout=written)
    return written.getvalue()


def test_registers_and_changes_a_source() -> None:
    department = make_department()
    arguments = ["create_hl7_source", "RIS", "NORR", "--department", department.hsa_id]
    run_command(*arguments, "--accession-issuer", "1.2.752.99.2", "--accession-field", "OBR-18")
    take(make_message("ORM^O01", pid(), "ORC|NW|P1|F1", "OBR|1|P1|F1|CT^CT^L||||||||||||||A1"))
    order = Order.objects.get()
    assert (order.accession_number, order.accession_issuer) == ("A1", "1.2.752.99.2")
    run_command(*arguments, "--inactive")
    assert Hl7Source.objects.get().active is False
    with pytest.raises(CommandError, match="no OID"):
        run_command(*arguments, "--placer-issuer", "hospital")
    with pytest.raises(CommandError, match="no department"):
        run_command("create_hl7_source", "RIS", "--department", "NONE")


def test_lists_what_was_refused_until_somebody_has_looked() -> None:
    department = make_department()
    run_command("create_hl7_source", "RIS", "NORR", "--department", department.hsa_id)
    send(make_message("ADT^A40", pid(), control_id="BAD"))
    row = ReceivedMessage.objects.get()
    listed = run_command("refused_messages")
    assert f"{row.pk} " in listed
    assert "BAD AE: MRG" in listed
    assert PNR not in listed
    run_command("refused_messages", "--handled", str(row.pk))
    assert run_command("refused_messages") == ""
    assert ReceivedMessage.objects.get().body is None
    with pytest.raises(CommandError):
        run_command("refused_messages", "--show", str(row.pk))
