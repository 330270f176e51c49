"""List what was deleted or rejected, and bring it back."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from access.actor import Actor, Scope
from registry.models import Removal, RemovedInstance
from registry.remove import UnrecoverableRemoval, restore

DEFAULT_ROWS = 50


class Command(BaseCommand):
    """`manage.py removals [list [--study UID] [--limit N]]`, `manage.py removals restore ID`."""

    help = "List deletions and rejections, newest first, and restore one as long as its time is not over."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        actions = parser.add_subparsers(dest="action")
        listing = actions.add_parser("list", help="what was removed and until when it can be restored")
        listing.add_argument("--study", metavar="UID", help="of one study")
        listing.add_argument("--limit", type=int, default=DEFAULT_ROWS)
        restoring = actions.add_parser("restore", help="bring back everything that a removal hides")
        restoring.add_argument("removal", type=int, metavar="ID", help="its number in the list")

    def handle(self, *args: Any, **options: Any) -> None:
        """List or restore."""
        if options["action"] == "restore":
            self._restore(options["removal"])
        else:
            self._list(options.get("study"), options.get("limit", DEFAULT_ROWS))

    def _restore(self, removal_id: int) -> None:
        try:
            removal = restore(_operator(), removal_id, door="command")
        except UnrecoverableRemoval as error:
            raise CommandError(str(error)) from error
        count = removal.items.filter(state=RemovedInstance.RESTORED).count()
        self.stdout.write(f"{count} instances of study {removal.study.study_instance_uid} are back")

    def _list(self, study_instance_uid: str | None, limit: int) -> None:
        rows = Removal.objects.select_related("study").order_by("-pk")
        if study_instance_uid:
            rows = rows.filter(study__study_instance_uid=study_instance_uid)
        for removal in rows[:limit]:
            self.stdout.write(_describe(removal))


def _describe(removal: Removal) -> str:
    target = removal.sop_instance_uid or removal.series_instance_uid or "all of it"
    code = f" ({removal.code_value} {removal.code_meaning})" if removal.code_value else ""
    reason = f', "{removal.reason}"' if removal.reason else ""
    at = timezone.localtime(removal.removed_at)
    return (
        f"{removal.pk}  {at:%Y-%m-%d %H:%M}  {removal.kind}{code} by {removal.removed_by}{reason}: study"
        f" {removal.study.study_instance_uid}, {target}, {removal.instances} instances; {_describe_state(removal)}"
    )


def _describe_state(removal: Removal) -> str:
    if removal.restored_at is not None:
        return f"restored {timezone.localtime(removal.restored_at):%Y-%m-%d %H:%M} by {removal.restored_by}"
    until = timezone.localtime(removal.recoverable_until)
    if removal.recoverable_until <= timezone.now():
        return f"not recoverable since {until:%Y-%m-%d}"
    return f"recoverable until {until:%Y-%m-%d}"


def _operator() -> Actor:
    """Return who runs the command: whoever may use the server's own account."""
    return Actor(
        kind="system",
        subject=f"removals command ({os.environ.get('USER', 'operator')})",
        scope=Scope(region_wide=True),
        permissions=frozenset({"read", "delete"}),
        purpose="administration",
    )
