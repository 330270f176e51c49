"""Give studies that came back from packs to everybody who may see them, once their consents are as they should be."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.actor import Actor, Scope
from registry.rebuilt import confirm_rebuilt


class Command(BaseCommand):
    """`manage.py confirm_rebuilt`."""

    help = (
        "Confirm rebuilt studies: --officer NAME and study UIDs, or --all. It is in the access log who did."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("studies", nargs="*", metavar="STUDY", help="Study Instance UIDs")
        parser.add_argument("--all", action="store_true", help="every study that waits")
        parser.add_argument("--officer", required=True, help="who confirms, as the access log shall say")

    def handle(self, *args: Any, **options: Any) -> None:
        """Confirm and say how many."""
        if bool(options["studies"]) == options["all"]:
            raise CommandError("name studies, or say --all")
        officer = Actor(
            kind="system",
            subject=options["officer"],
            scope=Scope(region_wide=True),
            permissions=frozenset({"read"}),
            purpose="administration",
        )
        uids = None if options["all"] else list(options["studies"])
        self.stdout.write(f"{confirm_rebuilt(officer, uids, door='command')} studies confirmed")
