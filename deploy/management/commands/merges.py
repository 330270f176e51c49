"""List which patients were merged, linked or moved, undo one, and decide what feeds ask for."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from access.actor import Actor, Scope
from registry.merge_requests import WAITING, make_request, refuse_request
from registry.merges import ImpossibleMerge, MergeStands, UnknownMerge, undo
from registry.models import MergeRequest, PatientMerge
from registry.noted import EndedEntry, UnknownEntry

DEFAULT_ROWS = 50
_REFUSALS = (MergeStands, UnknownMerge, ImpossibleMerge, UnknownEntry, EndedEntry)


class Command(BaseCommand):
    """`manage.py merges [list | waiting [--limit N]]`, `merges undo|make|refuse ID --reason TEXT`."""

    help = "List merges of patients, newest first, undo one, and decide those that wait."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        actions = parser.add_subparsers(dest="action")
        for name, what in (
            ("list", "who was merged into whom, and who said so"),
            ("waiting", "what feeds ask for and nobody has decided"),
        ):
            listing = actions.add_parser(name, help=what)
            listing.add_argument("--limit", type=int, default=DEFAULT_ROWS)
        for name, what in (
            ("undo", "give the subsumed patient back what is theirs"),
            ("make", "carry out what waits"),
            ("refuse", "let two stay two"),
        ):
            acting = actions.add_parser(name, help=what)
            acting.add_argument("merge", type=int, metavar="ID", help="its number in the list")
            acting.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """List or act."""
        if options["action"] in ("undo", "make", "refuse"):
            try:
                self.stdout.write(_act(options["action"], options["merge"], options["reason"]))
            except _REFUSALS as error:
                raise CommandError(str(error)) from error
        elif options["action"] == "waiting":
            for asked in MergeRequest.objects.filter(decision=WAITING).order_by("-pk")[: options["limit"]]:
                at = timezone.localtime(asked.requested_at)
                numbers = (
                    f"{asked.subsumed_value} ({asked.subsumed_issuer}) into"
                    f" {asked.survivor_value} ({asked.survivor_issuer})"
                )
                self.stdout.write(
                    f"{asked.pk}  {at:%Y-%m-%d %H:%M}  {asked.kind} {numbers} by {asked.source}"
                )
        else:
            for row in PatientMerge.objects.order_by("-pk")[: options.get("limit", DEFAULT_ROWS)]:
                state = f"undone by {row.undone_by}" if row.undone_at else "stands"
                at = timezone.localtime(row.made_at)
                self.stdout.write(f"{row.pk}  {at:%Y-%m-%d %H:%M}  {row} by {row.source}; {state}")


def _act(action: str, key: int, reason: str) -> str:
    if action == "undo":
        return f"merge {undo(key, by=_operator(), reason=reason).pk} is undone"
    if action == "make":
        return f"request {key} is merge {make_request(key, by=_operator(), reason=reason).merge_id}"
    return f"request {refuse_request(key, by=_operator(), reason=reason).pk} is refused"


def _operator() -> Actor:
    return Actor(
        kind="system",
        subject=f"merges command ({os.environ.get('USER', 'operator')})",
        scope=Scope(region_wide=True),
        permissions=frozenset({"read"}),
        purpose="administration",
    )
