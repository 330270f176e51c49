"""Import DICOM files through STOW-RS: folders, zip archives, DICOMDIR trees."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from deploy.clients import UnknownDepartment, borrow_token
from deploy.importing.batches import import_sources
from deploy.importing.outcomes import (
    FileOutcome,
    Outcome,
    OutcomeList,
    UnreadableOutcomes,
    open_outcomes,
    write_headings,
)
from deploy.importing.sources import Found, Source, UnknownPath, find_sources
from deploy.importing.stow_client import NotAuthorised, ServerUnreachable, StowServer
from deploy.local_server import NoServer, running_server
from deploy.server import ServerDidNotStart

REFUSED_SOME, UNUSABLE_ARGUMENTS = 1, 2


class Command(BaseCommand):
    """Send files to a STOW-RS server and list what became of each."""

    help = (
        "Import DICOM files (folders, zip archives, DICOMDIR trees) through STOW-RS. Writes path,outcome,reason for"
        " every file as CSV. Exit code: 0 all went in, 1 some did not, 2 unusable arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "paths", nargs="+", type=Path, metavar="PATH", help="folder, file, zip or DICOMDIR"
        )
        parser.add_argument(
            "--url", default="http://127.0.0.1:8000/dicom-web", help="DICOMweb base (default: %(default)s)"
        )
        parser.add_argument("--token", help="bearer token; or the environment variable SAMSYN_TOKEN")
        parser.add_argument(
            "--department",
            metavar="HSA_ID",
            help="store for a department of this installation; needs no token",
        )
        parser.add_argument(
            "--outcome",
            type=Path,
            metavar="FILE",
            help="where the list goes (default: standard output); what it says went in is not sent again",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the import."""
        token: str = options["token"] or os.environ.get("SAMSYN_TOKEN", "")
        if bool(token) == bool(options["department"]):
            raise CommandError("give either a token or --department HSA_ID", returncode=UNUSABLE_ARGUMENTS)
        url = options["url"].rstrip("/")
        try:
            with _open_list(options["outcome"], self.stdout) as outcomes, ExitStack() as stack:
                total_bytes = _measure(options["paths"], outcomes)
                if options["department"]:
                    token = stack.enter_context(
                        borrow_token("import_dicom", options["department"], ("store",))
                    )
                    url = stack.enter_context(running_server(url))
                _run(StowServer(url, token), options["paths"], outcomes, total_bytes)
        except (UnknownPath, UnreadableOutcomes, UnknownDepartment) as error:
            raise CommandError(str(error), returncode=UNUSABLE_ARGUMENTS) from error
        except (ServerUnreachable, NotAuthorised, NoServer, ServerDidNotStart) as error:
            raise CommandError(f"stopped, the rest was not sent: {error}", returncode=REFUSED_SOME) from error
        self._report(outcomes)

    def _report(self, outcomes: OutcomeList) -> None:
        counts = outcomes.counts
        text = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
        if outcomes.done:
            text += f"; {len(outcomes.done)} on the list from before"
        self.stderr.write(text, self.style.SUCCESS)
        if counts[Outcome.REFUSED] or counts[Outcome.DIFFERS]:
            text = f"{counts[Outcome.REFUSED]} files were refused"
            text += (
                f", {counts[Outcome.DIFFERS]} differ from what is stored" if counts[Outcome.DIFFERS] else ""
            )
            raise CommandError(text, returncode=REFUSED_SOME)


@contextmanager
def _open_list(path: Path | None, stdout: Any) -> Iterator[OutcomeList]:
    if path is None:
        yield write_headings(stdout)
        return
    with open_outcomes(path) as outcomes:
        yield outcomes


def _measure(paths: list[Path], outcomes: OutcomeList) -> int:
    return sum(item.size_bytes for item in _find_new(paths, outcomes) if isinstance(item, Source))


def _find_new(paths: list[Path], outcomes: OutcomeList) -> Iterator[Found]:
    return (item for item in find_sources(paths) if item.path not in outcomes.done)


def _run(server: StowServer, paths: list[Path], outcomes: OutcomeList, total_bytes: int) -> None:
    with tqdm(total=total_bytes, unit="B", unit_scale=True, disable=None) as progress:

        def count(found: Iterator[Found]) -> Iterator[Found]:
            for item in found:
                yield item
                if isinstance(item, Source):
                    progress.update(item.size_bytes)

        def record(entry: FileOutcome) -> None:
            outcomes.record(entry)
            progress.set_postfix(refused=outcomes.counts[Outcome.REFUSED], refresh=False)

        import_sources(server, count(_find_new(paths, outcomes)), record)
