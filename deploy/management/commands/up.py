"""Run Samsyn on this machine: web and duties together, demo region on the first start."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand

from access import audit
from access.actor import Actor, Scope
from access.guards import install_guards, owns_the_log
from access.models import User
from deploy import server
from deploy.demo.archive import bind_demo_archive
from deploy.demo.recall import stage_recall
from registry.models import Study

LAUNCHER = Actor("duty", "manage.py up", Scope(), frozenset())


class Command(BaseCommand):
    """`manage.py up --port 8000 --bind 127.0.0.1 --home DIR --no-demo`."""

    help = "Start the web server and the duties process; stop both with Ctrl-C or SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
        parser.add_argument("--bind", default="127.0.0.1")
        parser.add_argument("--home", help="folder for database, spool and objects (SAMSYN_HOME)")
        parser.add_argument(
            "--no-demo", action="store_true", help="do not fill an empty home with the demo region"
        )
        parser.add_argument(
            "--no-duties", action="store_true", help="web only: another process does the duties"
        )
        parser.add_argument(
            "--mllp-port",
            type=int,
            metavar="PORT",
            help="take HL7 v2 of known sources too, on this machine only",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, fill if empty, start, wait, stop."""
        if options["home"] and Path(options["home"]).resolve() != settings.SAMSYN_HOME:
            _restart_in(Path(options["home"]))
        server.exit_on_signals()
        address = server.Address(options["bind"], options["port"])
        try:
            server.check_port_is_free(address)
        except server.PortInUse as error:
            raise CommandError(
                f"{error}. Choose another: make up PORT=8001, or manage.py up --port 8001"
            ) from error
        call_command("migrate", verbosity=0)
        if owns_the_log():
            install_guards()
        _refuse_public_address_with_initial_passwords(address)
        audit.record(LAUNCHER, "application_start", door="command", detail={"address": address.url})
        self.stdout.write(f"Samsyn is starting; its data is in {settings.SAMSYN_HOME}")
        web = server.start_web(address)
        children = [web]
        try:
            server.wait_until_ready(address, web)
            if not options["no_demo"] and not Study.objects.exists():
                call_command("demo", url=f"{address.url}/dicom-web")
                stage_recall()
            archive = bind_demo_archive()
            if not options["no_duties"] and not settings.CELERY_BROKER_URL:  # with a broker, Celery does them
                children.append(server.start_duties())
            if options["mllp_port"] is not None:
                children.append(server.start_mllp(options["mllp_port"]))
            if archive is not None:
                archive.serve()
            self._greet(address)
        except BaseException:
            server.stop_processes(children)
            raise
        status = server.run_until_stopped(children)
        outcome = "failed" if status else "success"
        audit.record(LAUNCHER, "application_stop", outcome=outcome, door="command", detail={"status": status})
        if status:
            raise CommandError(f"a process ended by itself (status {status}); Samsyn is stopped")
        self.stdout.write("Samsyn is stopped.")

    def _greet(self, address: server.Address) -> None:
        self.stdout.write("")
        self.stdout.write(f"  Samsyn runs at {address.url} and http://localhost:{address.port}")
        logins = settings.SAMSYN_HOME / "demo-logins.txt"
        if logins.exists():
            self.stdout.write(f"\n{logins.read_text().rstrip()}")
        self.stdout.write("\n  Stop it with Ctrl-C.")
        self.stdout.flush()


def _restart_in(home: Path) -> None:
    """Settings are read once, so another home means another start of this same command."""
    arguments = [a for i, a in enumerate(sys.argv) if a != "--home" and sys.argv[i - 1] != "--home"]
    arguments = [a for a in arguments if not a.startswith("--home=")]
    os.environ["SAMSYN_HOME"] = str(home.resolve())
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 (the same command again)


def _refuse_public_address_with_initial_passwords(address: server.Address) -> None:
    host = address.host
    if (
        not server.is_loopback(host)
        and User.objects.filter(password_is_initial=True, is_active=True).exists()
    ):
        raise CommandError(
            f"{host} is not a loopback address, and there are accounts with a password that was printed."
            " Change those passwords (or deactivate the accounts) first, or bind 127.0.0.1."
        )
