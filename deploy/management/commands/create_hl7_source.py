"""Register a system that sends HL7 v2 messages."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.models import Department
from registry.hl7v2.charsets import ENCODINGS
from registry.hl7v2.requests import ACCESSION_FIELDS
from registry.identity import is_oid
from registry.models import Hl7Source

ISSUERS = ("accession", "placer", "encounter", "report")
FIELDS = (*ACCESSION_FIELDS, "OBR-20")


class Command(BaseCommand):
    """`manage.py create_hl7_source APPLICATION [FACILITY] --department HSA_ID [--accession-issuer OID ...]`."""

    help = "Register a sender of HL7 v2 messages by MSH-3 and MSH-4, or change a known one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("application", help="MSH-3")
        parser.add_argument("facility", nargs="?", default="", help="MSH-4; without, of every facility")
        parser.add_argument("--department", required=True, metavar="HSA_ID", help="whose system it is")
        for name in ISSUERS:
            parser.add_argument(
                f"--{name}-issuer", default="", metavar="OID", help=f"of {name} numbers that name no issuer"
            )
        parser.add_argument("--accession-field", default="", choices=("", *FIELDS))
        parser.add_argument("--character-set", default="UTF-8", help="where MSH-18 is empty")
        parser.add_argument(
            "--does-not-verify", action="store_true", help="a final report of it makes no study verified"
        )
        parser.add_argument("--inactive", action="store_true", help="reject what it sends")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create or change."""
        department = Department.objects.filter(hsa_id=options["department"]).first()
        if department is None:
            raise CommandError(f"there is no department {options['department']}")
        if options["character_set"].upper() not in ENCODINGS:
            raise CommandError(f"unknown character set; known are {', '.join(ENCODINGS)}")
        issuers = {f"{name}_issuer": options[f"{name}_issuer"] for name in ISSUERS}
        wrong = [oid for oid in issuers.values() if oid and not is_oid(oid)]
        if wrong:
            raise CommandError(f"{', '.join(wrong)} is no OID")
        values = issuers | {
            "department": department,
            "accession_field": options["accession_field"],
            "character_set": options["character_set"],
            "verifies_by_report": not options["does_not_verify"],
            "active": not options["inactive"],
        }
        row, created = Hl7Source.objects.update_or_create(
            sending_application=options["application"],
            sending_facility=options["facility"],
            defaults=values,
        )
        self.stdout.write(f"{'registered' if created else 'changed'} {row}")
