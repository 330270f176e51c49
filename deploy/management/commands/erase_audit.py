"""Erase the access log at the end of its time."""

from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from access.guards import owns_the_log
from access.retention import TooYoung, erase_before


class Command(BaseCommand):
    """`manage.py erase_audit --before DATE`."""

    help = "Erase whole sealed batches of the access log, as the owner of its tables; the log says that they went."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--before", required=True, type=datetime.fromisoformat, help="a date: 2020-01-01")

    def handle(self, *args: Any, **options: Any) -> None:
        """Erase and count."""
        before = options["before"]
        if timezone.is_naive(before):
            before = timezone.make_aware(before)
        if not owns_the_log():
            raise CommandError("this role does not own the access log: run it as the role that migrates")
        try:
            count = erase_before(before)
        except TooYoung as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} events erased")
