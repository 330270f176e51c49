"""Hold the access log against its seals."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.seals.keys import UnusableSealingKey
from access.seals.verify import verify


class Command(BaseCommand):
    """`manage.py verify_audit [--public-keys FILE] [--roots FILE]`."""

    help = "Verify every sealed batch of the access log; names what does not fit (exit status 1)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--public-keys", type=Path, help="a copy of the public keys kept elsewhere")
        parser.add_argument("--roots", type=Path, help="a copy of the exported roots kept elsewhere")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, print what was found."""
        try:
            result = verify(public_keys=options["public_keys"], roots_file=options["roots"])
        except UnusableSealingKey as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{result.seals} seals over {result.events} events; {result.unsealed} events wait for a seal"
            f"{f'; {result.erased} were erased at the end of their time' if result.erased else ''}"
        )
        for fault in result.faults:
            self.stdout.write(f"! {fault}")
        if result.faults:
            count = len(result.faults)
            raise CommandError(f"{count} fault{'s' if count > 1 else ''}: the access log was changed")
