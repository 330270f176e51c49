"""The listener as a process, spoken to over TCP by somebody else's MLLP client."""

import json
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hl7
import pytest
from hl7.client import MLLPClient

from tests.support.certificates import make_certificates
from tests.support.hl7v2 import LOCAL_OID, make_message, pid
from tests.support.mllp import MllpListener, run_mllp
from tests.support.processes import find_free_port, is_listening, wait_until
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

ORGANISATION = """
from access.models import CareProvider, CareUnit, Department
from registry.models import Hl7Source
provider = CareProvider.objects.create(hsa_id="SE-P", name="P")
unit = CareUnit.objects.create(provider=provider, hsa_id="SE-U", name="U")
department = Department.objects.create(unit=unit, hsa_id="SE-D", name="D")
Hl7Source.objects.create(sending_application="RIS", sending_facility="NORR", department=department)
"""
COUNT = """
import json
from registry.models import PatientIdentifier, ReceivedMessage, Report, ReportVersion
print(json.dumps([m.objects.count() for m in (PatientIdentifier, ReceivedMessage, Report, ReportVersion)]))
"""


@pytest.fixture(scope="module", params=["embedded", "production"])
def server(
    request: pytest.FixtureRequest,
    start_embedded: Callable[..., SamsynServer],
    start_production: Callable[..., SamsynServer],
) -> SamsynServer:
    started = (start_embedded if request.param == "embedded" else start_production)()
    started.run_code(ORGANISATION)
    return started


@pytest.fixture
def listener(server: SamsynServer, tmp_path: Path) -> Iterator[MllpListener]:
    with run_mllp(server, tmp_path) as running:
        yield running


def count_rows(server: SamsynServer) -> list[int]:
    return list(json.loads(server.run_code(COUNT)))


def added_since(before: list[int], server: SamsynServer) -> list[int]:
    return [after - earlier for after, earlier in zip(count_rows(server), before, strict=True)]


def answer_of(data: bytes) -> str:
    return str(hl7.parse(data.strip(b"\x0b\x1c\r").decode()).segment("MSA")[1])


def oru(number: int, name: str) -> str:
    """A report by its name, and a patient of that name too; the number makes it one version of it."""
    return make_message(
        "ORU^R01",
        pid(name, LOCAL_OID),
        f"OBR|1||{name}|CT||||||||||||||||||20250314{number:06d}|||F",
        f"OBX|1|TX|X||Text {number}||||||F",
        control_id=f"{name}-{number}",
    )


def test_takes_messages_of_another_librarys_client(server, listener) -> None:
    before = count_rows(server)
    with MLLPClient("127.0.0.1", listener.port) as client:
        answers = [client.send_message(make_message("ADT^A04", pid(f"A{n}", LOCAL_OID))) for n in range(3)]
        answers.append(client.send_message(oru(1, "A1")))
    assert [answer_of(answer) for answer in answers] == ["AA"] * 4
    assert added_since(before, server) == [3, 4, 1, 1]


def test_makes_one_chain_of_messages_that_come_at_once(server, listener) -> None:
    before = count_rows(server)

    def send(number: int) -> str:
        with MLLPClient("127.0.0.1", listener.port) as client:
            return answer_of(client.send_message(oru(number, "B1")))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, [number % 12 for number in range(24)]))
    assert answers == ["AA"] * 24
    assert added_since(before, server) == [1, 12, 1, 12]


def test_takes_split_frames_several_at_once_and_garbage_between(listener) -> None:
    first, second = (
        b"\x0b" + make_message("ADT^A04", pid(str(n), LOCAL_OID)).encode() + b"\x1c\r" for n in (1, 2)
    )
    with socket.create_connection(("127.0.0.1", listener.port), timeout=20) as connection:
        stream = b"garbage\r\n" + first + b"\0\1more" + second
        for begin in range(0, len(stream), 37):
            connection.sendall(stream[begin : begin + 37])
        read = b""
        while read.count(b"\x1c\r") < 2:
            read += connection.recv(4096)
    assert [answer_of(part) for part in read.split(b"\x1c\r")[:2]] == ["AA", "AA"]


def test_answers_a_message_that_is_too_long_and_closes(listener) -> None:
    with socket.create_connection(("127.0.0.1", listener.port), timeout=30) as connection:
        connection.sendall(b"\x0b" + make_message("ADT^A04", pid(), control_id="LONG").encode())
        connection.sendall(b"x" * (10 * 1024 * 1024))
        read = b""
        while data := connection.recv(4096):
            read += data
    assert b"MSA|AR|LONG|" in read
    with MLLPClient("127.0.0.1", listener.port) as client:
        assert answer_of(client.send_message(make_message("ADT^A04", pid()))) == "AA"


def test_stops_when_asked_with_a_connection_open(listener) -> None:
    with MLLPClient("127.0.0.1", listener.port) as client:
        assert answer_of(client.send_message(make_message("ADT^A04", pid()))) == "AA"
        listener.process.popen.send_signal(signal.SIGTERM)
        assert listener.process.popen.wait(20) == 0


def test_wants_a_certificate_of_its_senders(start_embedded, tmp_path) -> None:
    server = start_embedded()
    server.run_code(ORGANISATION)
    files = make_certificates(tmp_path)
    options = [
        "--tls-certificate",
        str(files.certificate),
        "--tls-key",
        str(files.key),
        "--tls-ca",
        str(files.ca),
    ]
    with run_mllp(server, tmp_path, *options) as listener:
        context = ssl.create_default_context(cafile=str(files.ca))
        with pytest.raises(OSError):
            speak_without_certificate(listener.port, context)
        context.load_cert_chain(str(files.client_certificate), str(files.client_key))
        with (
            socket.create_connection(("127.0.0.1", listener.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.sendall(b"\x0b" + make_message("ADT^A04", pid()).encode() + b"\x1c\r")
            assert answer_of(connection.recv(4096)) == "AA"


def test_is_started_beside_the_web_by_up(start_embedded) -> None:
    server = start_embedded()
    server.stop()
    port = find_free_port()
    server.begin("--mllp-port", str(port))
    try:
        wait_until(server.process, lambda: is_listening(port), "the MLLP listener")
        with MLLPClient("127.0.0.1", port) as client:
            assert answer_of(client.send_message(make_message("ADT^A04", pid()))) == "AR"
    finally:
        server.stop()
    assert not is_listening(port)


def speak_without_certificate(port: int, context: ssl.SSLContext) -> None:
    """Say something over TLS; with TLS 1.3 the refusal shows with the first answer, or as its absence."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"\x0bMSH")
        if not connection.recv(1):
            raise ConnectionResetError
