"""Say whether the affinity domain is sound, and what is in it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from registry.affinity import InvalidAffinity, affinity


class Command(BaseCommand):
    """`manage.py check_affinity`."""

    help = "Read the affinity domain in force, hold it to the rules, and say what is in it."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a summary; fail with one line for each broken rule."""
        try:
            domain = affinity()
        except InvalidAffinity as error:
            raise CommandError(str(error)) from error
        xds = ", ".join(item.name for item in domain.xds_domains)
        self.stdout.write(f"{domain.path}: sound")
        self.stdout.write(f"  {domain.name}, community {domain.home_community_id}")
        self.stdout.write(f"  repository {domain.repository_unique_id}, images {domain.imaging_source_id}")
        self.stdout.write(f"  documents name patients in: {xds}")
        self.stdout.write(f"  {len(domain.procedures)} procedures, {len(domain.mappings)} mapped words")
