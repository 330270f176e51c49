"""Say how this installation is doing, and what needs somebody."""

import shutil
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from access.audit_state import find_log_troubles
from access.models import User
from deploy.storage_figures import StorageFigures, describe, describe_damages, read_figures
from registry.models import Conflict
from registry.rebuilt import REBUILT
from repository.journal.duty import verify_journal
from repository.models import Delivery, Publication

LEAST_FREE_BYTES = 2 << 30


class Command(BaseCommand):
    """`manage.py doctor`."""

    help = (
        "Figures of storage, index, deliveries and conflicts; exit status 1 when something needs attention."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--journal", action="store_true", help="read the whole journal and verify its chain"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the figures, then what needs attention."""
        figures = read_figures()
        disk = shutil.disk_usage(settings.SAMSYN_HOME)
        self.stdout.write(
            f"profile {settings.PROFILE}, database {connection.vendor}, home {settings.SAMSYN_HOME},"
            f" disk {disk.free / 2**30:.1f} GiB free"
        )
        for line in describe(figures):
            self.stdout.write(line)
        troubles = _find_troubles(figures, disk.free)
        if options["journal"] and figures.place.can_be_read:
            troubles.extend(verify_journal())
        for trouble in troubles:
            self.stdout.write(f"! {trouble}")
        if troubles:
            raise SystemExit(1)
        self.stdout.write("nothing needs attention")


def _find_troubles(figures: StorageFigures, free_bytes: int) -> list[str]:
    dead = Delivery.objects.filter(state="dead").count()
    waiting = Conflict.objects.filter(resolved_at__isnull=True)
    conflicts = waiting.exclude(kind=REBUILT).count()
    rebuilt = waiting.filter(kind=REBUILT).count()
    unpublished = Publication.objects.exclude(error="").count()
    initial = User.objects.filter(password_is_initial=True, is_active=True).count()
    checks = (
        (figures.place.trouble, figures.place.trouble),
        (
            figures.advance,
            f"{figures.advance} tells of what this database never knew: run manage.py rebuild_index",
        ),
        (figures.lost_packs, f"{figures.lost_packs} packs in objects/lost: run manage.py adopt_packs"),
        (dead, f"{dead} deliveries are given up: see the distribution of their studies"),
        (conflicts, f"{conflicts} conflicts wait for a person"),
        (rebuilt, f"{rebuilt} rebuilt studies wait for an officer: manage.py confirm_rebuilt"),
        (unpublished, f"{unpublished} studies could not be published: manage.py publish --all says why"),
        (initial, f"{initial} accounts have a printed password: the server stays on loopback"),
        (free_bytes < LEAST_FREE_BYTES, f"only {free_bytes / 2**30:.1f} GiB free"),
    )
    found = [text for needed, text in checks if needed]
    return found + list(describe_damages()) + find_log_troubles()
