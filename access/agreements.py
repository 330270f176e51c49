"""What providers have agreed: whose studies the people of a provider may come to read, and on what ground.

An agreement alone opens nothing: under a cohesive one the reader still needs the patient's consent and a care
relation, as processor it acts for the commissioner and sees what was assigned to it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q
from django.utils import timezone

from access.epochs import read_access_epoch
from access.kept import keep, next_moment
from access.models import SharingAgreement


@dataclass(frozen=True, slots=True)
class Agreement:
    """One agreement that holds: between whom, of which kind, and until when.

    `commissioner_id` is for whom the others read under `processor_on_behalf`; it is always among `party_ids`.
    """

    pk: int
    name: str
    kind: str
    party_ids: frozenset[int]
    commissioner_id: int | None
    days_after_final: int
    valid_from: datetime | None
    valid_to: datetime | None


class ReadableProviders(NamedTuple):
    """Providers, by key, whose studies a provider may read: under cohesive documentation, and acting for them."""

    cohesive: frozenset[int]
    commissioners: frozenset[int]


def agreements_between(provider_ids: Collection[int], now: datetime) -> tuple[Agreement, ...]:
    """Return the agreements that hold now and bind all of the providers, oldest row first."""
    wanted = frozenset(provider_ids)
    known, _ = _read_agreements(wanted, now)
    return tuple(row for row in known if wanted <= row.party_ids)


def readable_providers(
    provider_id: int | None, now: datetime | None = None, epoch: int | None = None
) -> ReadableProviders:
    """Return whose studies the people of a provider may read, its own not among them.

    Parameters
    ----------
    epoch
        The access epoch when the caller has read it already; otherwise it costs one query.
    """
    if provider_id is None:
        return ReadableProviders(frozenset(), frozenset())
    moment = now or timezone.now()
    epoch = read_access_epoch() if epoch is None else epoch
    return keep(("agreements", provider_id), epoch, moment, lambda: _compute(provider_id, moment))


def _compute(provider_id: int, now: datetime) -> tuple[ReadableProviders, datetime | None]:
    rows, changes_at = _read_agreements(frozenset({provider_id}), now)
    cohesive: set[int] = set()
    commissioners: set[int] = set()
    for row in rows:
        if row.kind == SharingAgreement.COHESIVE:
            cohesive |= row.party_ids
        elif row.kind == SharingAgreement.PROCESSOR and row.commissioner_id is not None:
            commissioners.add(row.commissioner_id)
    own = {provider_id}
    return ReadableProviders(frozenset(cohesive - own), frozenset(commissioners - own)), changes_at


def _read_agreements(provider_ids: frozenset[int], now: datetime) -> tuple[list[Agreement], datetime | None]:
    """Return the agreements of any of the providers that hold now, and when that changes by itself."""
    rows = list(
        SharingAgreement.objects.filter(
            Q(parties__in=provider_ids) | Q(commissioner__in=provider_ids),
            Q(valid_to__isnull=True) | Q(valid_to__gt=now),
        )
        .distinct()
        .order_by("pk")
        .prefetch_related("parties")
    )
    moments = [moment for row in rows for moment in (row.valid_from, row.valid_to)]
    holding = [_describe(row) for row in rows if row.valid_from is None or row.valid_from <= now]
    return holding, next_moment(moments, now)


def _describe(row: SharingAgreement) -> Agreement:
    parties = {party.pk for party in row.parties.all()}
    if row.commissioner_id is not None:
        parties.add(row.commissioner_id)
    return Agreement(
        row.pk,
        row.name,
        row.kind,
        frozenset(parties),
        row.commissioner_id,
        row.days_after_final,
        row.valid_from,
        row.valid_to,
    )
