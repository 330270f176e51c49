"""List which patients were merged, linked or moved, and undo one."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from access.actor import Actor, Scope
from registry.merges import MergeStands, UnknownMerge, undo
from registry.models import PatientMerge

DEFAULT_ROWS = 50


class Command(BaseCommand):
    """`manage.py merges [list [--limit N]]`, `manage.py merges undo ID --reason TEXT`."""

    help = "List merges of patients, newest first, and undo one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        actions = parser.add_subparsers(dest="action")
        listing = actions.add_parser("list", help="who was merged into whom, and who said so")
        listing.add_argument("--limit", type=int, default=DEFAULT_ROWS)
        undoing = actions.add_parser("undo", help="give the subsumed patient back what is theirs")
        undoing.add_argument("merge", type=int, metavar="ID", help="its number in the list")
        undoing.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """List or undo."""
        if options["action"] == "undo":
            try:
                row = undo(options["merge"], by=_operator(), reason=options["reason"])
            except (MergeStands, UnknownMerge) as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"merge {row.pk} is undone")
            return
        for row in PatientMerge.objects.order_by("-pk")[: options.get("limit", DEFAULT_ROWS)]:
            state = f"undone by {row.undone_by}" if row.undone_at else "stands"
            at = timezone.localtime(row.made_at)
            self.stdout.write(f"{row.pk}  {at:%Y-%m-%d %H:%M}  {row} by {row.source}; {state}")


def _operator() -> Actor:
    return Actor(
        kind="system",
        subject=f"merges command ({os.environ.get('USER', 'operator')})",
        scope=Scope(region_wide=True),
        permissions=frozenset({"read"}),
        purpose="administration",
    )
