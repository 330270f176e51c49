"""Make a DICOM system known by its AE title: it may then call, and be sent to."""

import ipaddress
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.authentication import KNOWN_SCOPES
from access.models import ApiClient, ApplicationEntity
from deploy.clients import UnknownDepartment, find_department

TITLE_LENGTH = 16


class Command(BaseCommand):
    """`manage.py create_entity TITLE --department HSA_ID [--scope read ...] [--host H --port N] [--address NET]`."""

    help = "Make a DICOM system known by its AE title, or change what is known of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("title")
        parser.add_argument("--department", metavar="HSA_ID", help="the department whose system this is")
        parser.add_argument(
            "--region-wide", action="store_true", help="sees everything: for acceptance and migration tools"
        )
        parser.add_argument(
            "--scope", action="append", choices=KNOWN_SCOPES, help="repeat for more; default: store read"
        )
        parser.add_argument("--host", default="", help="where it listens, for C-MOVE and commitment reports")
        parser.add_argument("--port", type=int, help="the port that it listens on")
        parser.add_argument("--tls", action="store_true", help="what is sent to it goes over TLS")
        parser.add_argument(
            "--address",
            action="append",
            metavar="NETWORK",
            help="it may call from there only; repeat for more",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create or change, and say what is known."""
        title = options["title"].strip()
        if not title or len(title) > TITLE_LENGTH or not title.isascii() or "\\" in title:
            raise CommandError("an AE title has 1 to 16 ASCII characters without backslash")
        if bool(options["host"]) != bool(options["port"]):
            raise CommandError("give --host and --port together, or neither")
        entity, _ = ApplicationEntity.objects.update_or_create(
            title=title,
            defaults={
                "client": _find_or_create_client(f"AE {title}", options),
                "scopes": " ".join(options["scope"] or ("store", "read")),
                "addresses": " ".join(_read_networks(options["address"] or [])),
                "host": options["host"],
                "port": options["port"],
                "uses_tls": options["tls"],
            },
        )
        where = f", listens at {entity.host}:{entity.port}" if entity.host else ""
        self.stdout.write(f"application entity {entity.title}, scopes {entity.scopes}{where}")


def _read_networks(texts: list[str]) -> list[str]:
    try:
        return [str(ipaddress.ip_network(text, strict=False)) for text in texts]
    except ValueError as error:
        raise CommandError(f"--address: {error}") from error


def _find_or_create_client(name: str, options: dict[str, Any]) -> ApiClient:
    if not options["department"] and not options["region_wide"]:
        raise CommandError("give --department HSA_ID, or --region-wide for an acceptance or migration tool")
    try:
        department = find_department(options["department"]) if options["department"] else None
    except UnknownDepartment as error:
        raise CommandError(str(error)) from error
    client, _ = ApiClient.objects.update_or_create(
        name=name, defaults={"department": department, "region_wide": options["region_wide"]}
    )
    return client
