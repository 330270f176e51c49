"""What a service of others says about a patient, put beside the registry's own rows in the patient's record."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings

from access.models import CareProvider, CareUnit, User
from registry.access_rows import Entry, PatientRecord
from registry.sources.read import read_restrictions
from registry.sources.shapes import ForeignBlock, ForeignConsent, ForeignLift, Restrictions, SourceUnavailable

UNKNOWN_HERE = -1
"""A key that no row has: of an organisation that is not one of the region's."""


def is_service_asked() -> bool:
    """Tell whether blocks and consents are kept elsewhere too."""
    return bool(settings.BLOCK_SERVICE_URL)


def add_foreign(record: PatientRecord, patient_id: int, now: datetime) -> PatientRecord:
    """Add what the service says; while it does not answer, the record says that blocks are not known."""
    if not is_service_asked():
        return record
    answer = read_restrictions(patient_id, now)
    if isinstance(answer, SourceUnavailable):
        return replace(record, are_blocks_known=False)
    ends = [lift.valid_to for lift in answer.lifts] + [consent.valid_to for consent in answer.consents]
    if record.changes_at is not None:
        ends.append(record.changes_at)
    changes_at = min(ends, default=None)
    return replace(record, entries=(*record.entries, *_entries_of(answer, now)), changes_at=changes_at)


@dataclass(frozen=True, slots=True)
class _Keys:
    providers: dict[str, int]
    units: dict[str, int]
    users: dict[str, int]


def _entries_of(answer: Restrictions, now: datetime) -> Iterable[Entry]:
    keys = _find_keys(answer)
    # Keys of rows of others are negative: they meet none of the registry's own.
    block_keys = {block.id: -number for number, block in enumerate(answer.blocks, start=1)}
    for block in answer.blocks:
        yield _block(block, block_keys[block.id], keys, now)
    for lift in answer.lifts:
        if lift.block_id in block_keys and (not lift.user_hsa_id or lift.user_hsa_id in keys.users):
            yield _lift(lift, block_keys[lift.block_id], keys, now)
    for consent in answer.consents:
        yield _consent(consent, keys, now)


def _block(block: ForeignBlock, key: int, keys: _Keys, now: datetime) -> Entry:
    is_inner = bool(block.unit_hsa_id)
    return Entry(
        "block",
        key,
        0 if is_inner else keys.providers.get(block.provider_hsa_id, UNKNOWN_HERE),
        keys.units.get(block.unit_hsa_id, UNKNOWN_HERE) if is_inner else 0,
        int(block.is_silent),
        int(block.is_absolute),
        block.data_from,
        block.data_to,
        now,
        None,
        block.id,
    )


def _lift(lift: ForeignLift, block_key: int, keys: _Keys, now: datetime) -> Entry:
    unit = keys.units.get(lift.unit_hsa_id, UNKNOWN_HERE)
    user = keys.users.get(lift.user_hsa_id, 0)
    return Entry("lift", 0, block_key, unit, user, 0, "", "", now, lift.valid_to, lift.id)


def _consent(consent: ForeignConsent, keys: _Keys, now: datetime) -> Entry:
    return Entry(
        "consent",
        0,
        _key(keys.providers, consent.provider_hsa_id),
        _key(keys.units, consent.unit_hsa_id),
        _key(keys.users, consent.user_hsa_id),
        0,
        consent.kind,
        "",
        now,
        consent.valid_to,
        consent.id,
    )


def _key(keys: dict[str, int], hsa_id: str) -> int:
    return keys.get(hsa_id, UNKNOWN_HERE) if hsa_id else 0


def _find_keys(answer: Restrictions) -> _Keys:
    blocks, lifts, consents = answer.blocks, answer.lifts, answer.consents
    providers = {row.provider_hsa_id for row in blocks} | {row.provider_hsa_id for row in consents}
    units = {row.unit_hsa_id for row in blocks} | {row.unit_hsa_id for row in lifts}
    units |= {row.unit_hsa_id for row in consents}
    users = {row.user_hsa_id for row in lifts} | {row.user_hsa_id for row in consents}
    return _Keys(
        dict(CareProvider.objects.filter(hsa_id__in=providers).values_list("hsa_id", "pk"))
        if providers
        else {},
        dict(CareUnit.objects.filter(hsa_id__in=units).values_list("hsa_id", "pk")) if units else {},
        dict(User.objects.filter(hsa_id__in=users).values_list("hsa_id", "pk")) if users else {},
    )
