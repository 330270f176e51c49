"""Fill this installation with the synthetic region."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from access.authentication import issue_token
from access.database import run_write
from access.models import ApiClient, Department
from deploy.demo.distribution import create_receivers
from deploy.demo.load import Loaded, StudyRefused, load_studies
from deploy.demo.organisation import create_organisation, create_subscriptions, issue_system_tokens
from deploy.demo.people import create_people, write_logins
from deploy.demo.records import write_records
from deploy.importing.stow_client import NotAuthorised, ServerUnreachable
from deploy.local_server import NoServer, running_server
from deploy.region.answers import write_answers
from deploy.region.facts import InvalidRegionSize, Region, RegionSize
from deploy.region.identities import NumbersExhausted
from deploy.region.plan import plan_region
from deploy.server import ServerDidNotStart

FIGURES = ("patients", "studies", "slices", "size_px", "frames", "years", "seed")


class Command(BaseCommand):
    """`manage.py demo --patients N --studies N --slices N --seed N --url URL`."""

    help = (
        "Create the organisation, people, systems and subscriptions of an invented region, and store its studies"
        " through STOW-RS. The same figures and seed give the same studies; running it again adds nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        usual = RegionSize()
        for name in FIGURES:
            flag = "--" + name.replace("_", "-")
            parser.add_argument(flag, type=int, default=getattr(usual, name), help="default: %(default)s")
        parser.add_argument(
            "--pdf-share", type=float, default=usual.pdf_share, help="share of studies with a PDF"
        )
        parser.add_argument(
            "--with-manifests", action="store_true", help="add an XDS-I manifest to every study"
        )
        parser.add_argument(
            "--with-quirks", action="store_true", help="add names without Å, Ä, Ö and reserve numbers"
        )
        parser.add_argument(
            "--url", default="http://127.0.0.1:8000/dicom-web", help="DICOMweb base of this installation"
        )
        parser.add_argument(
            "--facts",
            type=Path,
            metavar="DIR",
            help="write the right answers (expected.csv, region.json) there",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create everything and print who can log in."""
        try:
            size = RegionSize(
                **{name: options[name] for name in FIGURES},
                pdf_share=options["pdf_share"],
                with_manifests=options["with_manifests"],
                with_quirks=options["with_quirks"],
            )
            region = plan_region(size)
        except (InvalidRegionSize, NumbersExhausted) as error:
            raise CommandError(str(error), returncode=2) from error
        url = options["url"].rstrip("/")
        create_organisation(region)
        try:
            with running_server(url) as reachable_url:
                loaded = self._load(region, reachable_url)
        except (StudyRefused, ServerUnreachable, NotAuthorised, NoServer, ServerDidNotStart) as error:
            raise CommandError(f"the region could not be stored: {error}") from error
        write_records(region)
        create_subscriptions(region)
        create_receivers(region)
        if options["facts"]:
            write_answers(region, options["facts"])
        self._report(region, loaded, url)

    def _load(self, region: Region, url: str) -> Loaded:
        tokens = issue_system_tokens(region)
        with tqdm(total=len(region.studies), unit=" studies", desc="Demo region", disable=None) as progress:
            return load_studies(region, url, tokens, progress.update)

    def _report(self, region: Region, loaded: Loaded, url: str) -> None:
        self.stdout.write(
            f"{loaded.studies} studies with {loaded.instances} instances ({loaded.size_bytes / 2**20:.0f} MiB) of"
            f" {len(region.patients)} patients at {len(region.hospitals)} hospitals"
        )
        password = create_people(region)
        if password is None:
            self.stdout.write("the people of the demo were there already, their passwords stay")
            return
        path = write_logins(settings.SAMSYN_HOME, region, password, _make_curl_line(region, url))
        self.stdout.write(path.read_text(encoding="utf-8"))


def _make_curl_line(region: Region, url: str) -> str:
    department = Department.objects.get(hsa_id=region.hospitals[0].departments[0].hsa_id)

    def issue() -> str:
        client, _ = ApiClient.objects.get_or_create(name="curl", defaults={"department": department})
        return issue_token(client, ("read",)).text

    return f"curl -H 'Authorization: Bearer {run_write(issue)}' '{url}/studies?ModalitiesInStudy=CT&limit=2'"
