"""Read stored packs again and hold them against their sums; the duties process does this by itself."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from repository.models import Damage
from repository.scrub import scrub

EVERYTHING_BYTES = 1 << 62


class Command(BaseCommand):
    """`manage.py scrub`."""

    help = "Verify packs that were not verified for 30 days; exit status 1 when something is damaged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--all", action="store_true", help="verify every pack now")

    def handle(self, *args: Any, **options: Any) -> None:
        """Scrub once and name what is damaged."""
        report = (
            scrub(budget_bytes=EVERYTHING_BYTES, round_time=timedelta(0))
            if options["all"]
            else scrub(budget_bytes=EVERYTHING_BYTES)
        )
        self.stdout.write(f"{report.packs} packs verified, {report.size_bytes / 2**20:.1f} MiB")
        for damage in Damage.objects.filter(mended_at=None).order_by("pack_key", "sop_instance_uid"):
            self.stdout.write(
                f"! {damage.pack_key}: instance {damage.sop_instance_uid or 'unknown'}"
                f" of study {damage.study_instance_uid or 'unknown'}: {damage.detail}"
            )
        if report.damaged:
            raise CommandError(f"{len(report.damaged)} packs are damaged")
