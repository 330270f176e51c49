"""Let a department subscribe to studies."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deploy.distribution import UnknownDestination, find_destination, make_operator
from registry.noted import InvalidEntry
from registry.subscribing import WANTS, SubscriptionDraft, subscribe
from registry.wishes.filter import STATES
from registry.wishes.priorities import PRIORITIES
from registry.wishes.sentence import write_sentence


class Command(BaseCommand):
    """`manage.py create_subscription --destination ID [--filter JSON] [--want images ...] [--priority urgent]`."""

    help = "Let the department of a destination subscribe; the answer is the subscription in a sentence."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--destination", type=int, required=True, metavar="ID")
        parser.add_argument(
            "--filter",
            default="{}",
            metavar="JSON",
            help='such as {"modality_family": ["CT"]}; {} takes everything',
        )
        parser.add_argument(
            "--want", action="append", choices=WANTS, help="repeat; default: images sr key_images"
        )
        parser.add_argument("--from-state", choices=STATES, default="complete")
        parser.add_argument("--priority", choices=PRIORITIES, default="normal")
        parser.add_argument("--name", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create it and print its sentence."""
        try:
            destination = find_destination(options["destination"])
            draft = SubscriptionDraft(
                destination=destination,
                name=options["name"],
                filter=json.loads(options["filter"]),
                wants=options["want"] or [],
                from_state=options["from_state"],
                priority=options["priority"],
            )
            row = subscribe(make_operator("create_subscription"), destination.department, draft)
        except json.JSONDecodeError as error:
            raise CommandError(f"--filter is not JSON: {error}") from error
        except (InvalidEntry, UnknownDestination) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"subscription {row.pk} of {row.department}: {write_sentence(row)}")
