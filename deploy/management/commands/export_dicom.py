"""Export studies as the files that were received."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from deploy.exporting import DamagedInstance, UnknownPatient, export_instance, find_studies, open_study
from registry.visibility import UnknownStudy

DAMAGED, UNUSABLE_ARGUMENTS = 1, 2


class Command(BaseCommand):
    """`manage.py export_dicom --study UID ... --patient NUMBER ... --out DIR`."""

    help = (
        "Write studies as the files that were received (preamble zeroed, every other byte the same). Exit code: 0 all"
        " written, 1 something is damaged, 2 unusable arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--study", nargs="+", action="extend", default=[], metavar="UID")
        parser.add_argument("--patient", nargs="+", action="extend", default=[], metavar="NUMBER")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the export; a damaged instance does not stop those after it."""
        if not options["study"] and not options["patient"]:
            raise CommandError("give --study UID or --patient NUMBER", returncode=UNUSABLE_ARGUMENTS)
        try:
            studies = find_studies(options["study"], options["patient"])
        except (UnknownStudy, UnknownPatient) as error:
            raise CommandError(str(error), returncode=UNUSABLE_ARGUMENTS) from error
        files = size_bytes = 0
        damaged = []
        for study in tqdm(studies, unit=" studies", disable=None):
            for item in open_study(study):
                try:
                    exported = export_instance(item, options["out"])
                except DamagedInstance as error:
                    damaged.append(str(error))
                else:
                    files += 1
                    size_bytes += exported.size_bytes
        self.stdout.write(f"{files} files, {size_bytes / 2**20:.1f} MiB in {options['out']}")
        if damaged:
            raise CommandError("; ".join(damaged), returncode=DAMAGED)
