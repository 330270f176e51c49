"""Case 5: a receiver of STOW-RS that is away, slow, broken, or says something else than it does."""

import contextlib
import http.server
import io
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.models import Destination
from repository.delivery.duties import plan_deliveries, probe_destinations, send_ready
from repository.delivery.receivers import stow_rs
from repository.models import Attempt, Delivery
from tests.crash.oracles import assert_exactly, assert_no_delivery_lost, uids_of
from tests.crash.workers import hurry, let_time_pass, padded_source, send_all
from tests.support import receiver as script
from tests.support.certificates import make_certificates
from tests.support.receiver import Behaviour, Handler, Request
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)

TIMEOUT_S = 0.6


@pytest.fixture
def study(region, make_quiet, monkeypatch):
    """One study of three instances, planned; nobody is waited for as long as in earnest."""
    for name in ("CONNECT_TIMEOUT_S", "ANSWER_TIMEOUT_S", "PROBE_TIMEOUT_S"):
        monkeypatch.setattr(stow_rs, name, TIMEOUT_S)
    study = make_quiet(instances=3)
    plan_deliveries()
    return study


def attempt() -> Delivery:
    hurry()
    assert send_ready("w", padded_source())
    return Delivery.objects.get()


def let_probe() -> None:
    let_time_pass(600)
    probe_destinations()


def assert_came_through(study, system: Ward) -> None:
    let_probe()
    send_all()
    assert_exactly(system, uids_of(study))
    assert_no_delivery_lost(system)


def drip(handler: Handler, request: Request) -> None:
    """Store everything and answer one byte at a time."""
    content = script.module([handler.receiver.read_uid(part) for part in request.parts])
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    with contextlib.suppress(OSError):
        for number in range(len(content)):
            handler.wfile.write(content[number : number + 1])
            handler.wfile.flush()
            time.sleep(TIMEOUT_S / 10)
    handler.close_connection = True


def store_and_reset(handler: Handler, request: Request) -> None:
    """Store everything, and reset the connection after the last byte came."""
    for part in request.parts:
        handler.receiver.read_uid(part)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True
    handler.wfile = handler.rfile = io.BytesIO()


FAULTS: dict[str, tuple[Behaviour, str]] = {
    "429 with Retry-After": (script.answer(429, Retry_After="77"), "receiver_busy"),
    "500": (script.answer(500), "receiver_error"),
    "a stall beyond the time limit": (script.say_nothing(TIMEOUT_S * 2), "receiver_slow"),
    "one byte at a time": (drip, "connection_cut"),
    "half a body": (script.answer_half, "connection_cut"),
    "HTML with 200": (script.answer(200, b"<html>", content_type="text/html"), "answer_unreadable"),
    "reset after the last byte": (store_and_reset, "connection_cut"),
    "401": (script.answer(401), "destination_fault"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_comes_through_after(study, system: Ward, name: str) -> None:
    behaviour, code = FAULTS[name]
    system.script = [behaviour]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("ready", code)
    assert_came_through(study, system)


@pytest.mark.parametrize("status", [200, 202])
def test_what_is_refused_by_name_is_dead_and_the_rest_is_there(study, system: Ward, status: int) -> None:
    refused = sorted(uids_of(study))[1]
    system.script = [refuse_without_storing(status, refused)]
    delivery = attempt()
    assert (delivery.state, delivery.reason_code) == ("dead", "instances_refused")
    assert refused in delivery.reason
    assert_exactly(system, uids_of(study) - {refused})


def refuse_without_storing(status: int, uid: str) -> Behaviour:
    """Name one instance under FailedSOPSequence and store the others."""

    def behave(handler: Handler, request: Request) -> None:
        kept = [part for part in request.parts if not part.startswith(uid.encode() + b" ")]
        stored = [handler.receiver.read_uid(part) for part in kept]
        handler.answer(status, script.module(stored, {uid: 0xC000}))

    return behave


def test_a_stall_below_the_time_limit_costs_time_only(study, system: Ward) -> None:
    def stall(handler: Handler, request: Request) -> None:
        time.sleep(TIMEOUT_S / 2)
        script.store_all(handler, request)

    system.script = [stall]
    assert attempt().state == "delivered"
    assert_came_through(study, system)
    assert Attempt.objects.count() == 1


def test_nobody_listens(study, region, system: Ward) -> None:
    with at_another_address(region, "http://127.0.0.1:9/studies"):
        delivery = attempt()
        assert (delivery.state, delivery.reason_code) == ("ready", "no_connection")
    assert_came_through(study, system)


def test_a_black_hole(study, region, system: Ward) -> None:
    """A full backlog: further connections get no answer at all, as behind a firewall that drops them."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        with at_another_address(region, f"http://127.0.0.1:{listener.getsockname()[1]}/studies"):
            began = time.monotonic()
            delivery = attempt()
            assert time.monotonic() - began < 10 * TIMEOUT_S
            assert (delivery.state, delivery.reason_code) == ("ready", "no_connection")
    assert_came_through(study, system)


def test_an_expired_certificate(study, region, system: Ward, tmp_path: Path, monkeypatch) -> None:
    made = make_certificates(tmp_path, server_is_expired=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
    with (
        run_tls(made.certificate, made.key) as port,
        at_another_address(region, f"https://127.0.0.1:{port}/studies"),
    ):
        delivery = attempt()
        assert (delivery.state, delivery.reason_code, delivery.attempts) == ("ready", "destination_fault", 0)
        destination = Destination.objects.get()
        assert destination.breaker == "open"
        assert "expired" in destination.last_error
    assert_came_through(study, system)


def test_500_for_half_an_hour_is_asked_a_few_times(study, make_quiet, system: Ward) -> None:
    for _ in range(20):
        make_quiet()
    plan_deliveries()
    system.behave = lambda: script.answer(500)
    system.probe_status = 500
    for _ in range(60):
        let_time_pass(30)
        probe_destinations()
        while send_ready("w", padded_source()):
            pass
    methods = [request.method for request in system.requests]
    assert 5 <= methods.count("POST") <= 12, "one study after the other, until the breaker opened"
    assert 4 <= methods.count("GET") <= 12, "a probe after 30 s, 60 s ... 5 minutes"
    system.behave = lambda: script.store_all
    system.probe_status = 200
    let_probe()
    send_all()
    assert_no_delivery_lost(system)
    assert Delivery.objects.filter(state="delivered").count() == 21


@contextlib.contextmanager
def at_another_address(region, url: str) -> Iterator[None]:
    Destination.objects.update(url=url)
    yield
    Destination.objects.update(url=region.destination.url)


@contextlib.contextmanager
def run_tls(certificate: Path, key: Path) -> Iterator[int]:
    """Run something that speaks TLS and would take anything."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
