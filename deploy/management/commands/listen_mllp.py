"""`manage.py listen_mllp`: the door for HL7 v2 messages."""

import signal
import ssl
from argparse import ArgumentParser
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.models import Department
from deploy.hl7v2 import serve_messages
from deploy.server import is_loopback
from registry.hl7v2.listener import Limits, Listener, listen, make_tls, open_socket


class Command(BaseCommand):
    """`manage.py listen_mllp --port 2575 --bind 127.0.0.1 [--department HSA_ID]`."""

    help = "Listen for HL7 v2 messages over MLLP (patients, orders, reports) of known sources, until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--port", type=int, default=2575, help="0 takes a free one")
        parser.add_argument(
            "--bind", default="127.0.0.1", help="address to listen at; default: this machine only"
        )
        parser.add_argument(
            "--department", metavar="HSA_ID", help="take unknown senders, as systems of this department"
        )
        parser.add_argument(
            "--tls-certificate", metavar="FILE", help="own certificate (PEM): TLS is then a must"
        )
        parser.add_argument("--tls-key", metavar="FILE", help="its key (PEM)")
        parser.add_argument(
            "--tls-ca", metavar="FILE", help="who signs the senders' certificates: they must show one"
        )
        parser.add_argument(
            "--without-tls", action="store_true", help="listen beyond this machine in the clear, on purpose"
        )
        parser.add_argument(
            "--idle-timeout",
            type=float,
            default=3600.0,
            metavar="S",
            help="close a connection silent for so long",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen until SIGTERM or SIGINT; the message that is being taken then is answered first."""
        host, port = options["bind"], options["port"]
        tls = _make_tls(options)
        if tls is None and not is_loopback(host) and not options["without_tls"]:
            raise CommandError(
                "MLLP without TLS says nothing about who sends: give --tls-certificate, --tls-key and --tls-ca,"
                " or --without-tls if the network is closed"
            )
        stand_in = _find_department(options["department"])
        try:
            server = open_socket(host, port)
        except OSError as error:
            raise CommandError(f"cannot listen at {host}:{port}: {error.strerror}") from error
        listener = Listener(server, lambda raw: raw, Limits(idle_s=options["idle_timeout"]), tls)
        serve_messages(listener, stand_in)

        def ask_to_stop(signal_number: int, frame: FrameType | None) -> None:
            listener.stop.set()

        signal.signal(signal.SIGTERM, ask_to_stop)
        signal.signal(signal.SIGINT, ask_to_stop)
        self.stdout.write(f"HL7 v2 over MLLP at {host}:{server.getsockname()[1]}{' with TLS' if tls else ''}")
        self.stdout.flush()
        listen(listener)


def _make_tls(options: dict[str, Any]) -> ssl.SSLContext | None:
    if not options["tls_certificate"]:
        return None
    try:
        return make_tls(options["tls_certificate"], options["tls_key"] or "", options["tls_ca"] or "")
    except OSError as error:
        raise CommandError(f"TLS: {error}") from error


def _find_department(hsa_id: str | None) -> Department | None:
    if not hsa_id:
        return None
    found = Department.objects.select_related("unit").filter(hsa_id=hsa_id).first()
    if found is None:
        raise CommandError(f"there is no department {hsa_id}")
    return found
