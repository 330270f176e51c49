"""Make an API client and print a bearer token for it."""

from argparse import ArgumentParser, BooleanOptionalAction
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from access.authentication import KNOWN_SCOPES, issue_token
from access.models import ApiClient, Department


class Command(BaseCommand):
    """`manage.py create_client NAME --department HSA_ID [--scope store ...] [--region-wide] [--keep-first]`."""

    help = "Create a client (or a further token for a known one); the token is the last line printed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("name")
        parser.add_argument("--department", metavar="HSA_ID", help="the department whose system this is")
        parser.add_argument(
            "--scope", action="append", choices=KNOWN_SCOPES, help="repeat for more; default: store read"
        )
        parser.add_argument(
            "--region-wide", action="store_true", help="sees everything: for acceptance and migration tools"
        )

        parser.add_argument(
            "--keep-first",
            action=BooleanOptionalAction,
            help="answer other content under a known SOP Instance UID with a warning instead of a failure; the first"
            " version stays either way",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create and print."""
        department = _find_department(options["department"], needed=not options["region_wide"])
        with transaction.atomic():
            client, created = ApiClient.objects.get_or_create(
                name=options["name"],
                defaults={"department": department, "region_wide": options["region_wide"]},
            )
            if not created and (client.department, client.region_wide) != (
                department,
                options["region_wide"],
            ):
                raise CommandError(f"client {client.name} exists with another department or reach")
            if options["keep_first"] is not None:
                client.on_conflict = ApiClient.KEEP_FIRST if options["keep_first"] else ApiClient.REFUSE
                client.save(update_fields=["on_conflict"])
            token = issue_token(client, tuple(options["scope"] or ("store", "read")))
        self.stdout.write(f"client {client.name}, scopes {token.row.scopes}; this token is shown once:")
        self.stdout.write(token.text)


def _find_department(hsa_id: str | None, *, needed: bool) -> Department | None:
    if hsa_id is None:
        if needed:
            raise CommandError(
                "give --department HSA_ID, or --region-wide for an acceptance or migration tool"
            )
        return None
    department = Department.objects.filter(hsa_id=hsa_id).first()
    if department is None:
        raise CommandError(f"no department has the HSA-id {hsa_id}")
    return department
