"""HL7 v2 messages for tests, and the department that sends them."""

from itertools import count

import hl7

from access.models import Department
from deploy.hl7v2 import HANDLERS
from registry.hl7v2.receive import receive
from registry.models import Hl7Source
from tests.registry.factories import make_department

_ids = count(1)
PNR = "191212121212"
PNR_OID = "1.2.752.129.2.1.3.1"
LOCAL_OID = "1.2.752.99.1"
ACCESSION_OID = "1.2.752.99.2"
PLACER_OID = "1.2.752.99.3"


def make_source(department: Department | None = None, **values) -> Hl7Source:
    """Register the sender RIS|NORR, of a department of its own unless one is given."""
    columns = {
        "sending_application": "RIS",
        "sending_facility": "NORR",
        "department": department or make_department(),
        "accession_issuer": ACCESSION_OID,
        "placer_issuer": PLACER_OID,
    }
    return Hl7Source.objects.create(**columns | values)


def make_message(
    kind: str,
    *segments: str,
    control_id: str = "",
    at: str = "20250314120000",
    charset: str = "UNICODE UTF-8",
    sender: str = "RIS|NORR",
    version: str = "2.5",
    processing_id: str = "P",
) -> str:
    """Write a message of a kind like `ADT^A01^ADT_A01`."""
    control_id = control_id or f"T{next(_ids)}"
    header = (
        f"MSH|^~\\&|{sender}|SAMSYN|REGION|{at}||{kind}|{control_id}|{processing_id}|{version}||||||{charset}"
    )
    return "\r".join((header, *segments)) + "\r"


def segment(name: str, **fields: str) -> str:
    """Write a segment from its fields: `segment("OBR", f4="CT")`."""
    numbers = {int(key[1:]): value for key, value in fields.items()}
    return "|".join([name, *(numbers.get(number, "") for number in range(1, max(numbers) + 1))])


def pid(number: str = PNR, oid: str = PNR_OID, name: str = "Öberg^Åsa", sequence: str = "1") -> str:
    """Write a PID."""
    return f"PID|{sequence}||{number}^^^&{oid}&ISO^PI||{name}||19121212|F"


def send(message: str | bytes, stand_in: Department | None = None) -> hl7.Message:
    """Let a message be taken, and read the answer with somebody else's parser."""
    raw = message if isinstance(message, bytes) else message.encode()
    return hl7.parse(receive(raw, HANDLERS, stand_in).decode())


def code_of(answer: hl7.Message) -> str:
    """Return MSA-1."""
    return str(answer.segment("MSA")[1])


def take(message: str | bytes) -> hl7.Message:
    """Let a message be taken that must be."""
    answer = send(message)
    assert code_of(answer) == "AA", str(answer)
    return answer
