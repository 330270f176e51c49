"""Make an API client, and how it is known: a bearer token, a client certificate, or tokens of an issuer."""

import datetime as dt
from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path
from typing import Any

from cryptography import x509
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from access.authentication import KNOWN_SCOPES, issue_token
from access.credentials import digest_of
from access.models import ApiClient, ClientCertificate, Department, TokenIssuer


class Command(BaseCommand):
    """`manage.py create_client NAME --department HSA_ID [--scope store ...] [--region-wide] [--keep-first] ...`."""

    help = (
        "Create a client (or a further credential for a known one). With --certificate or --token-issuer it is known"
        " by that; else a bearer token is made, the last line printed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("name")
        parser.add_argument("--department", metavar="HSA_ID", help="the department whose system this is")
        parser.add_argument(
            "--scope", action="append", choices=KNOWN_SCOPES, help="repeat for more; default: store read"
        )
        parser.add_argument(
            "--region-wide", action="store_true", help="sees everything: for acceptance and migration tools"
        )
        parser.add_argument(
            "--keep-first",
            action=BooleanOptionalAction,
            help="answer other content under a known SOP Instance UID with a warning instead of a failure; the first"
            " version stays either way",
        )
        parser.add_argument("--certificate", metavar="FILE", type=Path, help="its client certificate, in PEM")
        parser.add_argument(
            "--token-issuer", metavar="ISSUER", help="the `iss` of its tokens (create_issuer)"
        )
        parser.add_argument("--token-subject", metavar="NAME", help="its client_id in those tokens")
        parser.add_argument(
            "--may-act-for-users",
            action="store_true",
            help="those tokens may name the person behind the request",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create and print."""
        scopes = tuple(options["scope"] or ("store", "read"))
        with transaction.atomic():
            client = _find_or_create(options)
            if options["keep_first"] is not None:
                client.on_conflict = ApiClient.KEEP_FIRST if options["keep_first"] else ApiClient.REFUSE
                client.save(update_fields=["on_conflict"])
            if options["token_issuer"]:
                _bind_to_issuer(client, options)
                self.stdout.write(f"client {client.name} is known by tokens of {client.token_issuer}")
            if options["certificate"]:
                row = _register_certificate(client, options["certificate"], scopes)
                self.stdout.write(f"client {client.name}, scopes {row.scopes}, certificate {row.sha256}")
            if options["token_issuer"] or options["certificate"]:
                return
            token = issue_token(client, scopes)
        self.stdout.write(f"client {client.name}, scopes {token.row.scopes}; this token is shown once:")
        self.stdout.write(token.text)


def _find_or_create(options: dict[str, Any]) -> ApiClient:
    department = _find_department(options["department"], needed=not options["region_wide"])
    client, created = ApiClient.objects.get_or_create(
        name=options["name"], defaults={"department": department, "region_wide": options["region_wide"]}
    )
    if not created and (client.department, client.region_wide) != (department, options["region_wide"]):
        raise CommandError(f"client {client.name} exists with another department or reach")
    return client


def _bind_to_issuer(client: ApiClient, options: dict[str, Any]) -> None:
    if not options["token_subject"]:
        raise CommandError("give --token-subject NAME: the client's client_id in tokens of that issuer")
    issuer = TokenIssuer.objects.filter(issuer=options["token_issuer"]).first()
    if issuer is None:
        raise CommandError(f"no issuer {options['token_issuer']}: make it with manage.py create_issuer")
    client.token_issuer, client.token_subject = issuer, options["token_subject"]
    client.may_act_for_users = options["may_act_for_users"]
    try:
        client.save()
    except IntegrityError as error:
        raise CommandError(f"another client is {client.token_subject} of {issuer.issuer} already") from error


def _register_certificate(client: ApiClient, path: Path, scopes: tuple[str, ...]) -> ClientCertificate:
    try:
        pem = path.read_bytes()
        digest, certificate = digest_of(pem), x509.load_pem_x509_certificate(pem)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{path} is no certificate in PEM") from error
    ends_at = certificate.not_valid_after_utc
    if ends_at <= dt.datetime.now(dt.UTC):
        raise CommandError(f"{path} has expired {ends_at:%Y-%m-%d}")
    known = ClientCertificate.objects.filter(sha256=digest.hex()).first()
    if known is not None:
        raise CommandError(f"{path} is registered already, for the client {known.client}")
    return ClientCertificate.objects.create(
        client=client,
        sha256=digest.hex(),
        subject=certificate.subject.rfc4514_string()[:400],
        scopes=" ".join(scopes),
        expires_at=ends_at,
    )


def _find_department(hsa_id: str | None, *, needed: bool) -> Department | None:
    if hsa_id is None:
        if needed:
            raise CommandError(
                "give --department HSA_ID, or --region-wide for an acceptance or migration tool"
            )
        return None
    department = Department.objects.filter(hsa_id=hsa_id).first()
    if department is None:
        raise CommandError(f"no department has the HSA-id {hsa_id}")
    return department
