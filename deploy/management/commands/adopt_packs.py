"""Take in complete packs whose request was never answered."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from repository.sweep import adopt, lost_packs


class Command(BaseCommand):
    """`manage.py adopt_packs`."""

    help = "Store what the packs in objects/lost hold, as if it had been sent again."

    def handle(self, *args: Any, **options: Any) -> None:
        """Adopt one after the other and say what became of each."""
        left = 0
        for key in lost_packs():
            adoption = adopt(key)
            failed = [r for r in adoption.results if r.failure_reason is not None]
            left += bool(failed)
            self.stdout.write(f"{key}: {len(adoption.results) - len(failed)} stored, {len(failed)} refused")
            for result in failed:
                self.stdout.write(f"  {result.sop_instance_uid}: {result.comment}")
        if left:
            raise CommandError(f"{left} packs hold instances that were refused; they stay in objects/lost")
