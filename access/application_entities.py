"""Who a DICOM system is: by its AE title, and by the address it calls from where that is known.

Standard: PS3.8 9.3.2, PS3.15 B.1
"""

import ipaddress
from dataclasses import replace

from django.db.models import QuerySet

from access.actor import Actor
from access.authentication import client_actor
from access.credentials import Unauthenticated
from access.models import ApplicationEntity


def known_titles() -> list[str]:
    """Return the AE titles that may call, in order."""
    return list(_active().order_by("title").values_list("title", flat=True))


def find_entity(title: str) -> ApplicationEntity | None:
    """Return the system of a title (without the spaces around it), None if it is not known or not active."""
    return _active().filter(title=title.strip()).first()


def authenticate_entity(title: str, address: str) -> Actor:
    """Return the actor behind a title that calls from an address.

    Raises
    ------
    Unauthenticated
        The title is not known, or calls from elsewhere.
    """
    entity = find_entity(title)
    if entity is None:
        raise Unauthenticated(f"no application entity {title.strip()[:16]!r} is known")
    if entity.addresses and not _is_in(address, entity.addresses.split()):
        raise Unauthenticated(f"application entity {entity.title!r} may not call from {address}")
    return entity_actor(entity, address)


def entity_actor(entity: ApplicationEntity, address: str = "") -> Actor:
    """Make the actor of a system by its row."""
    actor = client_actor(entity.client, frozenset(entity.scopes.split()), address)
    return replace(actor, ae_title=entity.title)


def _active() -> QuerySet[ApplicationEntity]:
    rows = ApplicationEntity.objects.filter(active=True, client__active=True)
    return rows.select_related("client__department__unit")


def _is_in(address: str, networks: list[str]) -> bool:
    caller = ipaddress.ip_address(address)
    return any(caller in ipaddress.ip_network(network, strict=False) for network in networks)
