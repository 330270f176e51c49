"""Which attributes are set in what a department's systems store."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from access.models import Department
from registry.coercion import COERCIBLE, ISSUER_OF_PATIENT_ID
from registry.models import CoercionRule

VALUE_CHARACTERS = 64


class Command(BaseCommand):
    """`manage.py coerce HSA_ID [--set KEYWORD[=VALUE] [--replace]] [--stop KEYWORD]`."""

    help = (
        "List, set or end what is coerced while a department's instances are stored: "
        + ", ".join(COERCIBLE)
        + f". {ISSUER_OF_PATIENT_ID} takes no value: the department's issuer rules decide it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("department", metavar="HSA_ID")
        parser.add_argument("--set", metavar="KEYWORD[=VALUE]", help="set this attribute from now on")
        parser.add_argument(
            "--replace", action="store_true", help="with --set: also where an instance says something else"
        )
        parser.add_argument("--stop", metavar="KEYWORD", choices=COERCIBLE, help="leave this attribute alone")

    def handle(self, *args: Any, **options: Any) -> None:
        """Change what was asked for, then list what holds."""
        department = Department.objects.filter(hsa_id=options["department"]).first()
        if department is None:
            raise CommandError(f"no department has the HSA-id {options['department']}")
        rules = CoercionRule.objects.filter(department=department)
        if options["set"]:
            keyword, value = _read_setting(options["set"])
            changed = {"value": value, "replaces": options["replace"]}
            CoercionRule.objects.update_or_create(department=department, keyword=keyword, defaults=changed)
        elif options["replace"]:
            raise CommandError("--replace says how --set works; give both")
        if options["stop"]:
            rules.filter(keyword=options["stop"]).delete()
        for rule in rules.order_by("keyword"):
            value = "by the issuer rules" if rule.keyword == ISSUER_OF_PATIENT_ID else repr(rule.value)
            self.stdout.write(f"{rule.keyword} {value}{', replacing others' if rule.replaces else ''}")
        if not settings.COERCE_ON_STORE:
            self.stdout.write("nothing is coerced as long as SAMSYN_COERCE_ON_STORE is off")


def _read_setting(text: str) -> tuple[str, str]:
    keyword, _, value = text.partition("=")
    value = value.strip()
    if keyword not in COERCIBLE:
        raise CommandError(f"{keyword} cannot be coerced; possible are {', '.join(COERCIBLE)}")
    if bool(value) == (keyword == ISSUER_OF_PATIENT_ID):
        raise CommandError(
            f"{ISSUER_OF_PATIENT_ID} takes no value, the others need one: --set InstitutionName=NAME"
        )
    if len(value) > VALUE_CHARACTERS or "\\" in value or not value.isprintable():
        raise CommandError(f"a value is at most {VALUE_CHARACTERS} printable characters without a backslash")
    return keyword, value
