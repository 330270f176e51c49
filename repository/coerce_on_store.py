"""What a source's rules change of an instance before it is written, and how one sent again is recognised.

Off unless the installation says otherwise, and then only for departments with rules.

Standard: PS3.18 10.5.2
"""

import mmap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from pydicom.datadict import keyword_for_tag

from access.actor import Actor
from access.database import release
from registry import identity
from registry.coercion import Rule, coercion_rules_of, find_coercions
from repository.coercion import (
    Change,
    Splice,
    Stamp,
    Uncoercible,
    find_own_item,
    modified_tags,
    plan_coercion,
    repeat_coercion,
)
from repository.header.model import Header
from repository.known_instances import KnownInstance, digest, read_stored_attributes
from repository.store_result import COERCION_OF_DATA_ELEMENTS, PartResult


@dataclass(frozen=True, slots=True)
class CoercionPolicy:
    """What is set in all that one request brings."""

    rules: tuple[Rule, ...]
    issuer_rules: tuple[identity.Rule, ...]
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Coercion:
    """What is to become of one file: what to cut, the hash of what was sent, a remark where nothing can be done."""

    splices: tuple[Splice, ...] = ()
    sent_sha256: bytes = b""
    remark: str = ""


NOTHING = Coercion()


def read_policy(actor: Actor, received_at: datetime) -> CoercionPolicy | None:
    """Return what is to be set in what a sender stores, None for nothing: then nothing was asked of the database."""
    if not settings.COERCE_ON_STORE:
        return None
    rules = coercion_rules_of(actor.scope.department_id)
    issuer_rules = identity.rules_of(actor.scope.department_id) if rules else ()
    release()
    if not rules:
        return None
    moment = timezone.localtime(received_at)
    source = (actor.department_hsa_id or actor.subject)[:64]
    return CoercionPolicy(rules, issuer_rules, Stamp(moment.strftime("%Y%m%d%H%M%S.%f%z"), source))


def decide_coercion(
    policy: CoercionPolicy | None, data: bytes | memoryview | mmap.mmap, header: Header
) -> Coercion:
    """Decide what to change of one file."""
    if policy is None:
        return NOTHING
    wanted = find_coercions(policy.rules, policy.issuer_rules, header.attributes)
    if not wanted:
        return NOTHING
    changes = [Change(int(one.tag, 16), one.value) for one in wanted]
    try:
        splices = plan_coercion(data, header, changes, policy.stamp)
    except Uncoercible as error:
        names = ", ".join(keyword_for_tag(change.tag) for change in changes)
        return Coercion(remark=f"{names} stayed as sent: {error}")
    return Coercion(tuple(splices), digest(data))


def recognise(
    data: bytes | memoryview | mmap.mmap, header: Header, known: KnownInstance
) -> Mapping[str, Any] | None:
    """Return the attributes of the stored instance if it is this file, coerced when it was stored; else None."""
    stored = read_stored_attributes(header.sop_instance_uid)
    return stored if stored and repeat_coercion(data, header, stored) == known.sha256 else None


def tell_coercion(result: PartResult, attributes: Mapping[str, Any]) -> PartResult:
    """Say in a result what was changed of the instance that now has these attributes."""
    item = find_own_item(attributes)
    if item is None:
        return result
    names = ", ".join(keyword_for_tag(int(tag, 16)) for tag in modified_tags(item))
    return replace(
        result,
        warnings=(f"coerced: {names}", *result.warnings),
        warning_reason=COERCION_OF_DATA_ELEMENTS,
        original_attributes=item,
    )
