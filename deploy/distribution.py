"""What the commands of distribution share: who acts, and how something is found by its key."""

import os

from access.actor import Actor, Scope
from access.reach import KEPT
from registry.models import Destination


class UnknownDestination(LookupError):
    """No destination has the key."""


def make_operator(command: str) -> Actor:
    """Return who a command acts as: somebody at the machine, who may keep the distribution of every department."""
    return Actor(
        kind="system",
        subject=f"{command} command ({os.environ.get('USER', 'operator')})",
        scope=Scope(region_wide=True),
        permissions=frozenset(KEPT),
        purpose="administration",
    )


def find_destination(key: int) -> Destination:
    """Find a destination by its key.

    Raises
    ------
    UnknownDestination
        There is none.
    """
    row = Destination.objects.select_related("department__unit").filter(pk=key).first()
    if row is None:
        raise UnknownDestination(f"no destination has the number {key}; `deliveries destinations` lists them")
    return row
