"""Say how much of each source's words is understood."""

from typing import Any

from django.core.management.base import BaseCommand

from registry.harmonise.coverage import read_coverage
from registry.harmonise.duty import harmonise_studies


class Command(BaseCommand):
    """`manage.py code_coverage`."""

    help = (
        "Harmonise what waits, then print by source: studies, with a procedure, with a region, what decided."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line for each source, tab-separated."""
        while harmonise_studies():
            pass
        self.stdout.write("source\tstudies\tprocedure\tregion\twords waiting\tdecided by")
        for row in read_coverage():
            basis = ", ".join(f"{name} {count}" for name, count in row.by_basis if count)
            self.stdout.write(
                f"{row.hospital}, {row.name}\t{row.studies}\t{row.procedure_percent} %\t{row.region_percent} %"
                f"\t{row.open_words}\t{basis}"
            )
