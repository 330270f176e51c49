"""List deliveries and destinations, hold, release, verify and send again, and say why a study was or was not sent."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.utils import timezone

from deploy.distribution import UnknownDestination, find_destination, make_operator
from registry.models import Study
from registry.noted import InvalidEntry
from repository.delivery.operating import operate
from repository.delivery.operating.board import read_board
from repository.delivery.operating.listing import (
    KINDS,
    STATES,
    DeliveryFilter,
    deliveries_kept_by,
    narrow,
    read_page,
)
from repository.delivery.operating.reasons import explain
from repository.delivery.operating.why import explain_why
from repository.models import Delivery

DEFAULT_ROWS = 50
ACTS = ("hold", "release", "withdraw", "replay", "verify")


class Command(BaseCommand):
    """`manage.py deliveries list|hold|release|withdraw|replay|verify [--state dead ...]`, `deliveries why UID ID`."""

    help = "What is on its way, and what an operator does about it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="newest first")
        listing.add_argument("--limit", type=int, default=DEFAULT_ROWS)
        _add_filter(listing)
        for act in ACTS:
            doing = actions.add_parser(act, help="what the filter names; one that names nothing is refused")
            doing.add_argument("--reason", default="", help="needed but for release and verify")
            _add_filter(doing)
        actions.add_parser("destinations", help="how each destination does")
        why = actions.add_parser("why", help="why a study was or was not sent to a destination")
        why.add_argument("study", metavar="STUDY_UID")
        why.add_argument("destination", type=int, metavar="DESTINATION_ID")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        try:
            self._handle(options)
        except (InvalidEntry, UnknownDestination) as error:
            raise CommandError(str(error)) from error

    def _handle(self, options: dict[str, Any]) -> None:
        action = options["action"]
        if action == "why":
            self.stdout.write(_say_why(options["study"], options["destination"]))
        elif action == "destinations":
            self._list_destinations()
        elif action == "list":
            self._list(options)
        else:
            self.stdout.write(f"{action}: {_operate(action, options)} deliveries")

    def _list(self, options: dict[str, Any]) -> None:
        rows = narrow(deliveries_kept_by(make_operator("deliveries")), _read_filter(options))
        for row in read_page(rows, most=options["limit"]).rows:
            at = f"{timezone.localtime(row.planned_at):%Y-%m-%d %H:%M}"
            where = f"{row.destination_id} {row.destination.name}"
            self.stdout.write(
                f"{row.pk}  {at}  {row.kind} {row.study.study_instance_uid} -> {where}: {row.state}. {explain(row)}"
            )

    def _list_destinations(self) -> None:
        for line in read_board(make_operator("deliveries")):
            row = line.destination
            counts = f"queued {line.queued}, on their way {line.moving}, held {line.held}, failed {line.dead}"
            state = "held" if row.held_reason else row.breaker if row.active else "switched off"
            self.stdout.write(f"{row.pk}  {row.name}, {row.department}: {row.url}; breaker {state}; {counts}")


def _add_filter(parser: ArgumentParser) -> None:
    parser.add_argument("--id", type=int, action="append", help="one delivery by its number; repeat for more")
    parser.add_argument("--state", action="append", choices=STATES)
    parser.add_argument("--kind", action="append", choices=KINDS)
    parser.add_argument("--destination", type=int, action="append", metavar="ID")
    parser.add_argument("--study", default="", metavar="UID")


def _read_filter(options: dict[str, Any]) -> DeliveryFilter:
    return DeliveryFilter(
        states=tuple(options["state"] or ()),
        destination_ids=tuple(options["destination"] or ()),
        kinds=tuple(options["kind"] or ()),
        study_instance_uid=options["study"],
    )


def _operate(action: str, options: dict[str, Any]) -> int:
    operator, wanted = make_operator("deliveries"), _read_filter(options)
    if wanted.is_empty and not options["id"]:
        raise InvalidEntry("name the deliveries: --id, --state, --kind, --destination or --study")
    rows: QuerySet[Delivery] = narrow(deliveries_kept_by(operator), wanted)
    if options["id"]:
        rows = rows.filter(pk__in=options["id"])
    if action == "release":
        return operate.release_deliveries(operator, rows, door="command")
    if action == "verify":
        return operate.verify_again(operator, rows, door="command")
    act = {"hold": operate.hold, "withdraw": operate.withdraw, "replay": operate.replay}[action]
    return act(operator, rows, options["reason"], door="command")


def _say_why(study_instance_uid: str, destination: int) -> str:
    study = Study.objects.filter(study_instance_uid=study_instance_uid).first()
    if study is None:
        raise CommandError(f"no study {study_instance_uid[:64]}")
    return explain_why(study, find_destination(destination))
