"""Remove what requests left behind; the duties process does this by itself."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from repository import sweep


class Command(BaseCommand):
    """`manage.py sweep`."""

    help = "Remove unfinished packs, set complete ones without a row aside, delete condemned ones."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--unanswered-after-s", type=float, default=sweep.UNANSWERED_AFTER.total_seconds(),
            help="age after which a pack without a row counts as never answered",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep once and report."""
        report = sweep.sweep(unanswered_after=timedelta(seconds=options["unanswered_after_s"]))
        self.stdout.write(
            f"{len(report.removed_unfinished)} unfinished removed, {len(report.moved_to_lost)} complete set aside"
            f" in objects/lost, {len(report.removed_condemned)} condemned removed"
        )
