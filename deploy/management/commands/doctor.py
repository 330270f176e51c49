"""Say how this installation is doing, and what needs somebody."""

import shutil
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.models import Sum

from access.models import User
from registry.models import Conflict, Instance, Study
from repository.models import Delivery, Pack
from repository.sweep import lost_packs


class Command(BaseCommand):
    """`manage.py doctor`."""

    help = (
        "Figures of storage, index, deliveries and conflicts; exit status 1 when something needs attention."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the figures, then what needs attention."""
        live = Pack.objects.filter(state=Pack.LIVE)
        size = live.aggregate(total=Sum("size_bytes"))["total"] or 0
        disk = shutil.disk_usage(settings.SAMSYN_HOME)
        self.stdout.write(
            f"profile {settings.PROFILE}, database {connection.vendor}, home {settings.SAMSYN_HOME}"
        )
        self.stdout.write(f"studies {Study.objects.count()}, instances {Instance.objects.count()}")
        self.stdout.write(
            f"packs {live.count()}, {size / 2**20:.1f} MiB; disk {disk.free / 2**30:.1f} GiB free"
        )
        troubles = _find_troubles(disk.free)
        for trouble in troubles:
            self.stdout.write(f"! {trouble}")
        if troubles:
            raise SystemExit(1)
        self.stdout.write("nothing needs attention")


def _find_troubles(free_bytes: int) -> list[str]:
    lost = len(lost_packs())
    dead = Delivery.objects.filter(state="dead").count()
    conflicts = Conflict.objects.filter(resolved_at__isnull=True).count()
    initial = User.objects.filter(password_is_initial=True, is_active=True).count()
    checks = (
        (lost, f"{lost} packs in objects/lost: run manage.py adopt_packs"),
        (dead, f"{dead} deliveries are given up: see the distribution of their studies"),
        (conflicts, f"{conflicts} conflicts wait for a person"),
        (initial, f"{initial} accounts have a printed password: the server stays on loopback"),
        (free_bytes < 2 * 2**30, f"only {free_bytes / 2**30:.1f} GiB free"),
    )
    return [text for needed, text in checks if needed]
