"""Make the rows again from packs and journal: after the database was lost, or an older one was restored."""

import multiprocessing
import os
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import django
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from registry.models import Conflict
from registry.rebuilt import REBUILT
from repository.rebuild.parse import ParsedPack
from repository.rebuild.rebuild import Job, parse_job, rebuild


class Command(BaseCommand):
    """`manage.py rebuild_index`."""

    help = (
        "Read every pack that has no row, in the order of arrival, and hide what the journal says was removed. Studies"
        " come back visible to their custodian's unit only: see confirm_rebuilt. Stop the server first. It may be"
        " interrupted and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many read packs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild and say what came back."""
        with tqdm(unit="pack", disable=None) as bar:

            def note_progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            if options["processes"] < 2:
                report = rebuild(note_progress=note_progress)
            else:
                context = multiprocessing.get_context("spawn")  # a forked database connection is nobody's
                with ProcessPoolExecutor(options["processes"], context, django.setup) as pool:

                    def parse_all(jobs: Sequence[Job]) -> Iterable[ParsedPack]:
                        return pool.map(parse_job, jobs)

                    report = rebuild(parse_all, note_progress)
        waiting = Conflict.objects.filter(kind=REBUILT, resolved_at=None).count()
        self.stdout.write(
            f"{report.packs} packs read, {report.instances} instances came back;"
            f" {report.condemned} packs are condemned, {report.hidden} instances hidden again;"
            f" {report.departments} departments were missing; {report.rows} consents, blocks, relations and the like,"
            f" {report.identities} merges and fed numbers, {report.documents} submissions and deprecations,"
            f" {report.recalls} recalls, {report.workflow} lines of orders, reports and visits"
        )
        if waiting:
            self.stdout.write(
                f"{waiting} studies are visible to their custodian's unit only: manage.py confirm_rebuilt"
            )
        for fault in report.faults:
            self.stdout.write(f"! {fault}")
        if report.faults:
            raise CommandError(f"{len(report.faults)} faults")
