"""Give the role that the server runs under its rights, and guard the access log."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.guards import UnsuitableRole, grant_application_role


class Command(BaseCommand):
    """`manage.py grant_application_role ROLE`."""

    help = (
        "After every migrate, as the role that owns the tables: the application role may read and add to the access"
        " log, not change it; triggers refuse it to everybody else."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("role", help="the PostgreSQL role of web server and workers")

    def handle(self, *args: Any, **options: Any) -> None:
        """Grant, guard, say so."""
        try:
            grant_application_role(options["role"])
        except UnsuitableRole as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{options['role']} may use the database; the access log is guarded")
