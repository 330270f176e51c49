"""Register who may issue signed tokens to clients."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.key_sets import UnknownKey, read_keys
from access.models import TokenIssuer
from access.signed_tokens import ALGORITHMS


class Command(BaseCommand):
    """`manage.py create_issuer ISSUER --audience NAME (--jwks-url URL | --jwks FILE) [--algorithm ES256 ...]`."""

    help = "Register an issuer of signed tokens (JWT), or change a known one; the issuer is the `iss` of its tokens."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("issuer")
        parser.add_argument("--name", help="how people call it; default: the issuer")
        parser.add_argument("--audience", required=True, help="the `aud` that names this service")
        keys = parser.add_mutually_exclusive_group(required=True)
        keys.add_argument("--jwks-url", metavar="URL", help="where its keys are published")
        keys.add_argument("--jwks", metavar="FILE", type=Path, help="its keys as a JWK set")
        parser.add_argument(
            "--algorithm",
            action="append",
            choices=sorted(ALGORITHMS),
            help="repeat for more; default: RS256 PS256 ES256",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create or change."""
        values = {
            "name": (options["name"] or options["issuer"])[:100],
            "audience": options["audience"],
            "jwks_url": options["jwks_url"] or "",
            "jwks": _read(options["jwks"]) if options["jwks"] else None,
            "algorithms": " ".join(options["algorithm"] or ("RS256", "PS256", "ES256")),
            "active": True,
        }
        row, created = TokenIssuer.objects.update_or_create(issuer=options["issuer"], defaults=values)
        self.stdout.write(f"{'registered' if created else 'changed'} {row.issuer}: {row.algorithms}")


def _read(path: Path) -> Any:
    try:
        document = json.loads(path.read_text())
        if not read_keys(document):
            raise CommandError(f"{path} holds no public signing key")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except (ValueError, UnknownKey) as error:
        raise CommandError(f"{path} is no JWK set") from error
    return document
