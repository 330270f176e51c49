"""API clients that commands make: tokens for systems, and short-lived ones for a command's own requests."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils import timezone

from access.authentication import issue_token
from access.database import write_transaction
from access.models import ApiClient, Department

BORROWED_FOR = dt.timedelta(days=2)


class UnknownDepartment(LookupError):
    """No department has the HSA-id."""


def find_department(hsa_id: str) -> Department:
    """Find a department by its HSA-id.

    Raises
    ------
    UnknownDepartment
        There is none.
    """
    department = Department.objects.filter(hsa_id=hsa_id).first()
    if department is None:
        raise UnknownDepartment(f"no department has the HSA-id {hsa_id}")
    return department


@contextmanager
def borrow_token(purpose: str, hsa_id: str, scopes: tuple[str, ...]) -> Iterator[str]:
    """Give a bearer token of a department for as long as the `with` block lasts.

    It stands for the client `<purpose> <HSA-id>`, so that the access log shows what a command did; should the
    command be killed, it expires by itself.

    Raises
    ------
    UnknownDepartment
        No department has the HSA-id.
    """
    department = find_department(hsa_id)
    with write_transaction():
        client, _ = ApiClient.objects.get_or_create(
            name=f"{purpose} {hsa_id}"[:100], defaults={"department": department}
        )
        token = issue_token(client, scopes)
        token.row.expires_at = timezone.now() + BORROWED_FOR
        token.row.save(update_fields=["expires_at"])
    try:
        yield token.text
    finally:
        token.row.revoked_at = timezone.now()
        token.row.save(update_fields=["revoked_at"])
