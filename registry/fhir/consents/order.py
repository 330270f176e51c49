"""What a sent Consent asks to have registered. What our rows cannot hold is refused by name, never dropped.

Standard: IHE ITI PCF 1.1, FHIR R4 Consent
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from access.models import CareProvider, CareUnit, User
from registry.consent.blocks import AskedBy
from registry.fhir.consents import codes
from registry.fhir.consents.parts import (
    Recipient,
    check_organization,
    read_dates,
    read_end,
    read_extensions,
    read_holder,
    read_now,
    read_performer,
    read_purpose,
    read_recipients,
    refuse,
    take_only,
)
from registry.fhir.structure import Resource

_COMMON = (
    *(
        "resourceType",
        "id",
        "meta",
        "language",
        "text",
        "extension",
        "status",
        "scope",
        "category",
        "patient",
    ),
    *("dateTime", "performer", "organization", "policy", "provision"),
)


@dataclass(frozen=True, slots=True)
class ConsentOrder:
    """A consent to register, from now on."""

    recipient: Recipient
    kind: str
    valid_to: datetime
    text_version: str = ""
    basis: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlockOrder:
    """A block to register, from now on; dates are `YYYYMMDD`, both inclusive, empty for no limit."""

    holder: CareProvider | CareUnit
    asked_by: AskedBy = "patient"
    data_from: str = ""
    data_to: str = ""
    is_silent: bool = False
    is_absolute: bool = False


@dataclass(frozen=True, slots=True)
class LiftOrder:
    """A lift to register, from now on, of the block with this key."""

    block_id: int
    unit: CareUnit
    user: User | None
    basis: str
    valid_to: datetime
    reason: str = ""
    requested_by: str = ""
    holder: CareProvider | CareUnit | None = None


Order = ConsentOrder | BlockOrder | LiftOrder


def read_order(resource: Resource) -> Order:
    """Read what a Consent asks to register; whose it is, `Consent.patient` says.

    Raises
    ------
    UnheldContent
        Names the element that says what cannot be held, or that is missing.
    """
    if resource.get("status") != "active":
        refuse("what is registered is active: send status active", "Consent.status")
    scopes = codes.codes_of([resource.get("scope", {})], codes.SCOPE_SYSTEM)
    if scopes != [codes.SCOPE]:
        refuse(f"only the scope {codes.SCOPE} of {codes.SCOPE_SYSTEM} is held", "Consent.scope")
    if "dateTime" in resource:
        read_now(resource, "dateTime", "Consent")
    for index, policy in enumerate(resource.get("policy", ())):
        if policy != {"uri": codes.POLICY}:
            refuse(
                f"the policy of every consent here is {codes.POLICY}: name that or none",
                f"Consent.policy[{index}]",
            )
    kinds = codes.codes_of(resource.get("category", []), codes.KIND_SYSTEM)
    provision = resource.get("provision") or refuse("there must be a provision", "Consent.provision")
    if provision.get("type") == "permit":
        return _read_consent(resource, provision, kinds)
    if provision.get("type") != "deny":
        refuse("the type is permit (a consent) or deny (a block)", "Consent.provision.type")
    if "provision" in provision:
        return _read_lift(resource, provision, kinds)
    return _read_block(resource, provision, kinds)


def _read_consent(resource: Resource, provision: Resource, kinds: list[str]) -> ConsentOrder:
    take_only(resource, "Consent", *_COMMON, "sourceAttachment")
    take_only(provision, "Consent.provision", "type", "period", "actor", "purpose")
    kind = _one_kind(kinds, codes.PERMIT_KINDS)
    recipients = read_recipients(provision, "Consent.provision")
    if len(recipients) != 1:
        refuse("a consent has one recipient: a provider, a unit or a person", "Consent.provision.actor")
    if read_purpose(provision, "Consent.provision") != codes.TREATMENT:
        refuse(f"a consent is for {codes.TREATMENT}", "Consent.provision.purpose")
    basis = read_extensions(resource, {codes.BASIS}).get(codes.BASIS, {})
    valid_to = read_end(provision, "Consent.provision.period") or refuse(
        "a consent has an end", "Consent.provision.period.end"
    )
    version = _read_text_version(resource)
    if not version and kind != "incapacity":
        refuse("the version of the text that the patient was read", "Consent.sourceAttachment.title")
    if (kind == "incapacity") != bool(basis):
        refuse(f"incapacity, and nothing else, has a basis: the extension {codes.BASIS}", "Consent.extension")
    asked_by = read_performer(resource)
    if asked_by == "representative" or (asked_by == "guardian") != (
        kind == "guardian" and "performer" in resource
    ):
        refuse(
            "a consent is the patient's; of the kind guardian, the holder of custody's", "Consent.performer"
        )
    check_organization(resource, recipients[0])
    return ConsentOrder(recipients[0], kind, valid_to, version, basis)


def _read_block(resource: Resource, provision: Resource, kinds: list[str]) -> BlockOrder:
    take_only(resource, "Consent", *_COMMON, "sourceAttachment")
    take_only(provision, "Consent.provision", "type", "period", "dataPeriod", "data")
    read_extensions(resource, set())
    unknown = [kind for kind in kinds if kind not in ("block", *codes.BLOCK_MARKS)]
    if unknown:
        refuse(
            f"{unknown[0][:40]!r} is no kind of block; known are block, silent, absolute", "Consent.category"
        )
    if _read_text_version(resource):
        refuse("a block has no text that was agreed to", "Consent.sourceAttachment")
    holder = read_holder(provision, "Consent.provision")
    if holder is None:
        refuse("a block names its holder: data with the meaning authoredby", "Consent.provision.data")
    if read_end(provision, "Consent.provision.period") is not None:
        refuse("a block has no end: cancel it when the patient wants that", "Consent.provision.period.end")
    first, last = read_dates(provision.get("dataPeriod", {}), "Consent.provision.dataPeriod")
    check_organization(resource, holder)
    return BlockOrder(holder, read_performer(resource), first, last, "silent" in kinds, "absolute" in kinds)


def _read_lift(resource: Resource, provision: Resource, kinds: list[str]) -> LiftOrder:
    take_only(resource, "Consent", *_COMMON, "sourceReference")
    take_only(provision, "Consent.provision", "type", "data", "provision")
    if kinds not in ([], ["lift"]):
        refuse("a denial with a permit in it is a lift", "Consent.category")
    path = "Consent.provision.provision[0]"
    if len(provision["provision"]) != 1:
        refuse("a lift has one permit", "Consent.provision.provision")
    permit = provision["provision"][0]
    take_only(permit, path, "id", "type", "period", "actor", "purpose")
    if permit.get("type") != "permit":
        refuse("what is nested in a denial is a permit", f"{path}.type")
    texts = read_extensions(resource, {codes.REASON, codes.REQUESTED_BY})
    unit, user = _read_unit(permit, path)
    valid_to = read_end(permit, f"{path}.period")
    purpose = read_purpose(permit, path)
    read_performer(resource)
    check_organization(resource, unit)
    return LiftOrder(
        block_id=_read_block_id(resource),
        unit=unit,
        user=user,
        basis="consent" if purpose == codes.TREATMENT else "emergency",
        valid_to=valid_to or refuse("a lift has an end", f"{path}.period.end"),
        reason=texts.get(codes.REASON, {}).get("", ""),
        requested_by=texts.get(codes.REQUESTED_BY, {}).get("", ""),
        holder=read_holder(provision, "Consent.provision"),
    )


def _read_unit(permit: Resource, path: str) -> tuple[CareUnit, User | None]:
    recipients = read_recipients(permit, path)
    units = [party for party in recipients if isinstance(party, CareUnit)]
    users = [party for party in recipients if isinstance(party, User)]
    if len(units) != 1 or len(users) > 1 or len(recipients) != len(units) + len(users):
        refuse("a lift is for one unit, and within it for one person or all", f"{path}.actor")
    return units[0], users[0] if users else None


def _read_block_id(resource: Resource) -> int:
    reference: Any = resource.get("sourceReference", {}).get("reference", "")
    name = str(reference).rpartition("Consent/block-")[2]
    if not (
        name.isascii()
        and name.isdigit()
        and len(name) <= 18
        and str(reference).endswith(f"Consent/block-{name}")
    ):
        refuse("a lift names the block that it lifts: Consent/block-...", "Consent.sourceReference")
    return int(name)


def _one_kind(kinds: list[str], known: tuple[str, ...]) -> str:
    if not kinds:
        return known[0]
    if len(kinds) > 1 or kinds[0] not in known:
        refuse(f"the kind is one of {', '.join(known)}", "Consent.category")
    return kinds[0]


def _read_text_version(resource: Resource) -> str:
    attachment = resource.get("sourceAttachment", {})
    take_only(attachment, "Consent.sourceAttachment", "title")
    title = str(attachment.get("title", ""))
    if len(title) > 20:
        refuse(
            "the title is the version of the text that was agreed to: 20 characters at most",
            "Consent.sourceAttachment.title",
        )
    return "" if title == codes.UNWRITTEN else title
