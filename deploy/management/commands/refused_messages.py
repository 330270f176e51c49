"""Look after HL7 v2 messages that were not taken."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from registry.models import ReceivedMessage

SHOWN = 100


class Command(BaseCommand):
    """`manage.py refused_messages [--show ID | --handled ID]`."""

    help = "List HL7 v2 messages that were refused and nobody has looked at; show one, or mark it as handled."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        one = parser.add_mutually_exclusive_group()
        one.add_argument("--show", type=int, metavar="ID", help="write the message, byte for byte")
        one.add_argument("--handled", type=int, metavar="ID", help="somebody has looked at it: drop its text")

    def handle(self, *args: Any, **options: Any) -> None:
        """List, show or mark."""
        waiting = ReceivedMessage.objects.exclude(acknowledgment_code="AA").filter(handled_at=None)
        key = options["show"] or options["handled"]
        if key is None:
            for row in waiting.order_by("-received_at")[:SHOWN]:
                said = row.answer.split("\r")[1].split("|", 3)[-1]
                moment = timezone.localtime(row.received_at)
                self.stdout.write(
                    f"{row.pk} {moment:%Y-%m-%d %H:%M} {row.sender} {row.message_type} {row.control_id}"
                    f" {row.acknowledgment_code}: {said}"
                )
            return
        found = waiting.filter(pk=key).first()
        if found is None:
            raise CommandError(f"no refused message {key} waits")
        if options["show"]:
            sys.stdout.buffer.write(bytes(found.body or b""))
            return
        waiting.filter(pk=key).update(handled_at=timezone.now(), body=None)
        self.stdout.write(f"message {key} is handled")
