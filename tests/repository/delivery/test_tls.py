"""Destinations under TLS: trusted by their own authority, and shown a certificate of ours."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt

from access.secrets import seal
from registry.models import Destination
from repository.delivery.duties import plan_deliveries, probe_destinations, send_ready
from repository.models import Delivery
from tests.repository.delivery.conftest import MEMORY, PACKS
from tests.support.certificates import Certificates, make_certificates
from tests.support.dicom import StudyFacts, make_ct
from tests.support.processes import find_free_port
from tests.support.receiver import run_receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return make_certificates(tmp_path)


@pytest.fixture
def context(certificates: Certificates) -> ssl.SSLContext:
    """A server that asks for a certificate of its own authority."""
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.ca))
    made.load_cert_chain(certificates.certificate, certificates.key)
    made.verify_mode = ssl.CERT_REQUIRED
    # Under TLS 1.3 a client learns only while it sends that its certificate is missed, if the peer waits for it to read.
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    return made


def know(certificates: Certificates, **columns: str) -> None:
    pem = certificates.client_certificate.read_text() + certificates.client_key.read_text()
    known = {
        "trusted_certificates": certificates.ca.read_text(),
        "client_certificate_sealed": seal(pem),
        **columns,
    }
    Destination.objects.update(**known)


@pytest.mark.parametrize(
    ("missing", "state", "reason"),
    [
        ("", "delivered", "delivered"),
        ("trusted_certificates", "ready", "destination_fault"),
        ("client_certificate_sealed", "ready", "destination_fault"),
    ],
)
def test_stow_trusts_the_authority_and_shows_a_certificate(
    region, make_quiet, certificates, context, missing, state, reason
):
    with run_receiver(context) as receiver:
        know(certificates, url=receiver.url.replace("http:", "https:"), **({missing: ""} if missing else {}))
        make_quiet()
        plan_deliveries()
        assert send_ready("worker", MEMORY)
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.reason_code) == (state, reason), delivery.reason
        assert bool(receiver.stored) == (state == "delivered")
        if missing:
            assert Destination.objects.get().breaker == "open"
            know(certificates, open_until=None)
            assert probe_destinations() == 1


def test_a_certificate_that_cannot_be_read_is_said_to_be_so(region, make_quiet, certificates):
    know(certificates, url="https://127.0.0.1:9/studies", client_certificate_sealed=seal("no PEM"))
    make_quiet()
    plan_deliveries()
    assert send_ready("worker", MEMORY)
    assert Delivery.objects.get().reason_code == "destination_fault"


def test_c_store_shows_a_destinations_own_certificate(store_quiet, region, certificates, context):
    got = []
    ae, port = AE("PACS"), find_free_port()
    ae.add_supported_context("1.2.840.10008.5.1.4.1.1.2")

    def take(event: Any) -> int:
        got.append(event.dataset.PatientID)
        return 0

    handlers: list[Any] = [(evt.EVT_C_STORE, take)]
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers, ssl_context=context)
    try:
        know(certificates, url=f"dicoms://127.0.0.1:{port}", called_ae_title="PACS")
        store_quiet(make_ct(StudyFacts()))
        plan_deliveries()
        assert send_ready("worker", PACKS)
    finally:
        server.shutdown()
    assert Delivery.objects.get().state == "delivered", Delivery.objects.get().reason
    assert got == ["191212121212"]
