"""`manage.py listen_dimse`: the door for systems that speak DIMSE."""

import signal
import ssl
import threading
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from deploy.server import is_loopback
from repository.dimse.listener import Listening, start_listening


class Command(BaseCommand):
    """Take C-ECHO, C-STORE, C-FIND, C-MOVE, C-GET and storage commitment of known systems until stopped."""

    help = "Listen for DICOM associations of the systems that create_entity made known, until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--port", type=int, default=11112)
        parser.add_argument(
            "--bind", default="127.0.0.1", help="address to listen at; default: this machine only"
        )
        parser.add_argument("--aet", default=settings.DIMSE_AE_TITLE, help="own AE title")
        parser.add_argument(
            "--tls-certificate", metavar="FILE", help="own certificate (PEM): TLS is then a must"
        )
        parser.add_argument("--tls-key", metavar="FILE", help="its key (PEM)")
        parser.add_argument(
            "--tls-ca", metavar="FILE", help="who signs the callers' certificates: they must show one"
        )
        parser.add_argument(
            "--without-tls", action="store_true", help="listen beyond this machine in the clear, on purpose"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen until SIGTERM or SIGINT; associations that are open then are aborted."""
        where = Listening(options["bind"], options["port"], options["aet"], *_make_tls(options))
        if where.serving is None and not is_loopback(where.host) and not options["without_tls"]:
            raise CommandError(
                "DIMSE without TLS says nothing about who calls: give --tls-certificate, --tls-key and --tls-ca,"
                " or --without-tls if the network is closed"
            )
        stop = threading.Event()

        def ask_to_stop(signal_number: int, frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, ask_to_stop)
        signal.signal(signal.SIGINT, ask_to_stop)
        try:
            server = start_listening(where)
        except OSError as error:
            raise CommandError(f"cannot listen at {where.host}:{where.port}: {error.strerror}") from error
        self.stdout.write(f"{where.title} listens at {where.host}:{where.port}")
        self.stdout.flush()
        stop.wait()
        server.shutdown()


def _make_tls(options: dict[str, Any]) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    """Make the context to serve with and the one to send with; both show our certificate.

    Standard: PS3.15 B.12
    """
    if not options["tls_certificate"]:
        return None, None
    try:
        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=options["tls_ca"])
        serving.load_cert_chain(options["tls_certificate"], options["tls_key"])
        if options["tls_ca"]:
            serving.verify_mode = ssl.CERT_REQUIRED
        trusting = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=options["tls_ca"])
        trusting.load_cert_chain(options["tls_certificate"], options["tls_key"])
    except (OSError, ssl.SSLError) as error:
        raise CommandError(f"TLS: {error}") from error
    return serving, trusting
