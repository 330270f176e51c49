"""Create a system that receives for a department."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deploy.clients import UnknownDepartment, find_department
from deploy.distribution import make_operator
from registry.noted import InvalidEntry
from repository.delivery.operating.keeping import VERIFICATIONS, DestinationDraft, create_destination


class Command(BaseCommand):
    """`manage.py create_destination --department HSA_ID --name NAME --url URL [...]`."""

    help = (
        "Create a destination: a system that receives for a department. Its address says how it is spoken to."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        usual = DestinationDraft("", "")
        parser.add_argument("--department", required=True, metavar="HSA_ID")
        parser.add_argument("--name", required=True)
        parser.add_argument(
            "--url",
            required=True,
            help="https://.../studies, dicom://host:port, mllp://host:port, fhir+https://..., file:///folder,"
            " s3://bucket/prefix or worklist:",
        )
        parser.add_argument("--ae-title", default="", help="of a system that speaks DIMSE")
        parser.add_argument(
            "--token-file", type=Path, help="file that holds the bearer token and nothing else"
        )
        parser.add_argument("--max-parallel", type=int, default=usual.max_parallel)
        parser.add_argument("--max-mbit", type=float, help="megabit a second; left out for no limit")
        parser.add_argument("--verify", choices=VERIFICATIONS, default=usual.verify)

    def handle(self, *args: Any, **options: Any) -> None:
        """Create it and print its number."""
        try:
            draft = DestinationDraft(
                name=options["name"],
                url=options["url"],
                called_ae_title=options["ae_title"],
                max_parallel=options["max_parallel"],
                max_mbit=options["max_mbit"],
                verify=options["verify"],
                token=_read_token(options["token_file"]),
            )
            department = find_department(options["department"])
            row = create_destination(make_operator("create_destination"), department, draft)
        except (InvalidEntry, UnknownDepartment) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"destination {row.pk}: {row.name} of {row.department}, {row.url}")


def _read_token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--token-file: {error}") from error
