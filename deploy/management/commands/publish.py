"""Publish the manifests of studies now, also of those about which nothing changed."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry.models import Study
from repository.models import Publication
from repository.xds.publish import ask_for, publish_due


class Command(BaseCommand):
    """`manage.py publish --study UID` or `--all`."""

    help = "Make and register the manifests of one study or of all"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take which studies."""
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--study", metavar="UID", help="the Study Instance UID")
        which.add_argument("--all", action="store_true", help="every study")

    def handle(self, **options: Any) -> None:
        """Publish, and tell what could not be."""
        rows = Study.objects.all()
        if options["study"]:
            rows = rows.filter(study_instance_uid=options["study"])
            if not rows.exists():
                raise CommandError(f"there is no study {options['study']}")
        uids = rows.order_by("pk").values_list("study_instance_uid", flat=True)
        count, batch = 0, []
        for uid in uids.iterator():
            batch.append(uid)
            if len(batch) == 50:
                count, batch = count + self._publish(batch), []
        count += self._publish(batch)
        self.stdout.write(f"published {count} studies")
        failed = Publication.objects.exclude(error="")
        for row in failed[:20]:
            self.stderr.write(f"{row.pk}: {row.error}")
        if failed.exists():
            raise CommandError(f"{failed.count()} studies could not be published")

    def _publish(self, uids: list[str]) -> int:
        ask_for(uids, anew=True)
        return publish_due()
