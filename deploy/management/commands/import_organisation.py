"""Take in an organisation tree from a CSV file or an mCSD Bundle."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.actor import Actor, Scope
from access.organisation_import.apply import Change, Outcome, import_tree
from access.organisation_import.csv_file import read_csv
from access.organisation_import.mcsd_bundle import read_bundle
from access.organisation_import.tree import Entry, InvalidTree

REFUSED, UNUSABLE_ARGUMENTS = 1, 2
SIGNS = {"create": "+", "change": "~", "end": "-"}
LARGEST_BYTES = 64 << 20


class Command(BaseCommand):
    """`manage.py import_organisation FILE [--dry-run] [--end-missing]`."""

    help = (
        "Create and change care providers, units and departments as a file says: CSV with the columns level, hsa_id,"
        " name, parent_hsa_id (and valid_from, valid_to), or a FHIR R4 Bundle (mCSD) as JSON. All of it or nothing;"
        " running it again changes nothing. Exit code: 0 done, 1 the file cannot be taken in, 2 unusable arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--dry-run", action="store_true", help="tell what would be done and do nothing")
        parser.add_argument(
            "--end-missing",
            action="store_true",
            help="end, from now on, what the file does not name of the providers that it names",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the file, write the difference and tell it."""
        content = _read(options["file"])
        try:
            entries = _parse(content)
            outcome = import_tree(
                entries, end_missing=options["end_missing"], dry_run=options["dry_run"], by=_operator()
            )
        except InvalidTree as error:
            raise CommandError(
                f"nothing was changed; {options['file']}:\n{error}", returncode=REFUSED
            ) from error
        for change in outcome.changes:
            self.stdout.write(_describe(change))
        self.stdout.write(_sum_up(outcome, dry_run=options["dry_run"]))


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise CommandError(
                f"{path} is larger than {LARGEST_BYTES >> 20} MiB", returncode=UNUSABLE_ARGUMENTS
            )
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=UNUSABLE_ARGUMENTS) from error


def _parse(content: bytes) -> tuple[Entry, ...]:
    """Read a file by what it begins with: JSON is a Bundle, the rest CSV."""
    is_json = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
    return read_bundle(content) if is_json else read_csv(content)


def _describe(change: Change) -> str:
    columns = f" ({', '.join(change.columns)})" if change.what == "change" else ""
    return f"{SIGNS[change.what]} {change.level:<11}{change.hsa_id:<32} {change.name}{columns}"


def _sum_up(outcome: Outcome, *, dry_run: bool) -> str:
    counts = {what: sum(change.what == what for change in outcome.changes) for what in SIGNS}
    text = (
        f"{counts['create']} created, {counts['change']} changed, {counts['end']} ended,"
        f" {outcome.unchanged} as they were"
    )
    return f"dry run, nothing was changed: {text}" if dry_run else text


def _operator() -> Actor:
    """Return who runs the command: whoever may use the server's own account."""
    return Actor(
        kind="system",
        subject=f"import_organisation command ({os.environ.get('USER', 'operator')})",
        scope=Scope(region_wide=True),
        permissions=frozenset(),
        purpose="administration",
    )
