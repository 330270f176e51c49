"""A consent, a block or a lift as a FHIR Consent.

A consent permits its recipient. A block denies what its holder authored, to everyone outside the holder; its lifts
are permits nested in it. A lift alone is that denial with the one permit.

Standard: IHE ITI PCF 1.1, FHIR R4 Consent
"""

from collections.abc import Sequence

from access.models import CareProvider, CareUnit, User
from registry.fhir.consents import codes
from registry.fhir.consents.rows import Kept, ends_of, holder_of, recipient_of
from registry.fhir.dates import date_of, instant
from registry.fhir.identifiers import hsa_identifier
from registry.fhir.patients import refer_to
from registry.fhir.structure import Resource
from registry.models import Block, BlockLift, Consent, PatientIdentifier


def make_consents(kept: Sequence[Kept]) -> list[Resource]:
    """Make the resources of rows that may be seen."""
    numbers: dict[int, list[PatientIdentifier]] = {}
    for number in PatientIdentifier.objects.filter(patient__in={one.patient.pk for one in kept}):
        numbers.setdefault(number.patient_id, []).append(number)
    return [_make(one, refer_to(one.patient, numbers.get(one.patient.pk, ()))) for one in kept]


def _make(kept: Kept, patient: Resource) -> Resource:
    row = kept.row
    if isinstance(row, Consent):
        special = _describe_consent(row, patient)
    elif isinstance(row, Block):
        special = _describe_block(row, kept, patient)
    else:
        special = _describe_lift(row, patient)
    changes = kept.changes
    common: Resource = {
        "resourceType": "Consent",
        "id": kept.id,
        "meta": {
            "versionId": str(len(changes)),
            "lastUpdated": instant(changes[-1]),
            "profile": [codes.BASIC if kept.kind == "consent" else codes.INTERMEDIATE],
        },
        "status": "active" if kept.is_active else "inactive",
        "scope": codes.concept(codes.SCOPE_SYSTEM, codes.SCOPE),
        "patient": patient,
        "dateTime": instant(row.registered_at),
        "policy": [{"uri": codes.POLICY}],
    }
    return common | special


def _describe_consent(row: Consent, patient: Resource) -> Resource:
    recipient = recipient_of(row)
    special: Resource = {
        "category": _categories(row.kind),
        "performer": [_performer(row, patient)],
        "organization": _organizations(recipient),
        "sourceAttachment": {"title": row.text_version or codes.UNWRITTEN},
        "provision": {
            "type": "permit",
            "period": {"start": instant(row.valid_from), "end": instant(row.valid_to)},
            "actor": [_actor(recipient)],
            "purpose": [codes.coding(codes.REASONS, codes.TREATMENT)],
        },
    }
    parts = [
        {"url": part, "valueString": str(row.basis[part])}
        for part in codes.BASIS_PARTS
        if row.basis.get(part)
    ]
    if parts:
        special["extension"] = [{"url": codes.BASIS, "extension": parts}]
    return special


def _describe_block(row: Block, kept: Kept, patient: Resource) -> Resource:
    marks = [mark for mark, is_set in (("silent", row.is_silent), ("absolute", row.is_absolute)) if is_set]
    provision = _deny(row)
    lifts = [lift for lift in kept.lifts if all(moment > kept.now for moment in ends_of(lift))]
    if lifts:
        provision["provision"] = [_permit(lift) for lift in lifts]
    special: Resource = {
        "category": _categories("block", *marks),
        "performer": [patient],
        "organization": _organizations(holder_of(row)),
        "sourceAttachment": {"title": codes.UNWRITTEN},
        "provision": provision,
    }
    if row.cancel_reason:
        special["extension"] = [{"url": codes.REASON, "valueString": row.cancel_reason}]
    return special


def _describe_lift(row: BlockLift, patient: Resource) -> Resource:
    extensions = [{"url": codes.REASON, "valueString": row.reason}] if row.reason else []
    if row.requested_by:
        extensions.append({"url": codes.REQUESTED_BY, "valueString": row.requested_by})
    special: Resource = {
        "category": _categories("lift"),
        "performer": [patient if row.basis == "consent" else {"display": row.registered_by}],
        "organization": _organizations(row.unit),
        "sourceReference": {"reference": f"Consent/block-{row.block_id}"},
        "provision": _deny(row.block) | {"provision": [_permit(row)]},
    }
    return special | {"extension": extensions} if extensions else special


def _deny(row: Block) -> Resource:
    provision: Resource = {
        "type": "deny",
        "period": {"start": instant(row.valid_from)},
        "data": [{"meaning": "authoredby", "reference": _refer(holder_of(row))}],
    }
    first, last = date_of(row.data_from), date_of(row.data_to)
    if first or last:
        provision["dataPeriod"] = {key: date for key, date in (("start", first), ("end", last)) if date}
    return provision


def _permit(lift: BlockLift) -> Resource:
    purpose = codes.TREATMENT if lift.basis == "consent" else codes.BREAK_THE_GLASS
    actors = [_actor(lift.unit), *([_actor(lift.user)] if lift.user else [])]
    return {
        "id": f"lift-{lift.pk}",
        "type": "permit",
        "period": {"start": instant(lift.valid_from), "end": instant(lift.valid_to)},
        "actor": actors,
        "purpose": [codes.coding(codes.REASONS, purpose)],
    }


def _categories(*kinds: str) -> list[Resource]:
    of_kind = (codes.concept(codes.KIND_SYSTEM, kind) for kind in kinds)
    return [codes.concept(codes.LOINC, codes.LOINC_CONSENT), *of_kind]


def _performer(row: Consent, patient: Resource) -> Resource:
    if row.kind == "guardian":
        return {"type": "RelatedPerson", "display": codes.GUARDIAN}
    return patient if row.kind == "consent" else {"display": row.registered_by}


def _actor(recipient: CareProvider | CareUnit | User) -> Resource:
    return {"role": codes.concept(codes.PARTICIPATION, codes.RECIPIENT), "reference": _refer(recipient)}


def _refer(party: CareProvider | CareUnit | User) -> Resource:
    """Refer to a party by its HSA-id; a person without one by the name of the account."""
    if isinstance(party, User):
        identifier = hsa_identifier(party.hsa_id) if party.hsa_id else {"value": party.username}
        return {"type": "Practitioner", "identifier": identifier}
    return {"type": "Organization", "identifier": hsa_identifier(party.hsa_id), "display": party.name}


def _organizations(party: CareProvider | CareUnit | User) -> list[Resource]:
    """Name who holds to it: the provider of a unit, the providers for whom a person works."""
    if isinstance(party, User):
        providers = CareProvider.objects.filter(units__departments__assignments__user=party).distinct()
        return [_refer(provider) for provider in providers] or [{"display": party.username}]
    return [_refer(party.provider if isinstance(party, CareUnit) else party)]
