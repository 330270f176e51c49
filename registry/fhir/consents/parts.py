"""The parts of a sent Consent: parties, periods, purposes and extensions, each held to what our rows can say."""

from collections.abc import Set
from datetime import datetime, timedelta
from typing import NoReturn

from django.utils import timezone

from access.models import CareProvider, CareUnit, User
from registry.consent.blocks import AskedBy
from registry.fhir.consents import codes
from registry.fhir.errors import InvalidParameter, UnheldContent
from registry.fhir.identifiers import is_hsa
from registry.fhir.structure import Resource
from registry.fhir.values import DateRange, read_date

Recipient = CareProvider | CareUnit | User
A_DAY, CLOCKS_DIFFER = timedelta(days=1), timedelta(minutes=5)


def refuse(message: str, expression: str) -> NoReturn:
    """Say which element cannot be held, and why."""
    raise UnheldContent(f"{expression}: {message}", expression)


def take_only(value: Resource, path: str, *known: str) -> None:
    """Refuse an element that no row has a place for."""
    for key in value:
        if key not in known:
            refuse("this cannot be held here; nothing was registered", f"{path}.{key}")


def read_recipients(provision: Resource, path: str) -> list[Recipient]:
    """Read the actors of a provision: recipients by HSA-id."""
    found = []
    for index, actor in enumerate(provision.get("actor", ())):
        place = f"{path}.actor[{index}]"
        take_only(actor, place, "role", "reference")
        roles = codes.codes_of([actor.get("role", {})], codes.PARTICIPATION)
        if roles != [codes.RECIPIENT]:
            refuse(f"the role of every actor is {codes.RECIPIENT} of {codes.PARTICIPATION}", f"{place}.role")
        found.append(_find_party(actor.get("reference", {}), f"{place}.reference"))
    return found


def read_holder(provision: Resource, path: str) -> CareProvider | CareUnit | None:
    """Read whose data a provision speaks of; None if it does not say."""
    data = provision.get("data", [])
    if not data:
        return None
    place = f"{path}.data[0]"
    if len(data) > 1 or data[0].get("meaning") != "authoredby":
        refuse("data is one entry with the meaning authoredby", f"{path}.data")
    take_only(data[0], place, "meaning", "reference")
    party = _find_party(data[0].get("reference", {}), f"{place}.reference")
    if isinstance(party, User):
        refuse("the holder of data is a provider or a unit", f"{place}.reference")
    return party


def read_end(provision: Resource, path: str) -> datetime | None:
    """Read the end of a period that begins now: a day is over at its end, a time is meant as it is written."""
    period = provision.get("period", {})
    take_only(period, path, "start", "end")
    if "start" in period:
        read_now(period, "start", path)
    end = _read_moment(period, "end", path)
    if end is None:
        return None
    return end.end if len(str(period["end"])) <= len("YYYY-MM-DD") else end.start


def read_now(value: Resource, key: str, path: str) -> None:
    """Refuse a time that is not now: what is registered holds from its registration on."""
    moment, now = _read_moment(value, key, path), timezone.now()
    if moment is None or not now - A_DAY <= moment.start <= now + CLOCKS_DIFFER:
        refuse("what is registered holds from now on: send the time of now, or none", f"{path}.{key}")


def read_performer(resource: Resource) -> AskedBy:
    """Read who decided: the patient unless somebody else is named."""
    performers = resource.get("performer", [])
    if not performers:
        return "patient"
    one, patient = performers[0], resource.get("patient", {})
    if len(performers) == 1 and "RelatedPerson" in (
        one.get("type"),
        str(one.get("reference")).partition("/")[0],
    ):
        return "guardian" if one.get("display") == codes.GUARDIAN else "representative"
    is_patient = any(one.get(key) and one.get(key) == patient.get(key) for key in ("identifier", "reference"))
    if len(performers) > 1 or not is_patient:
        refuse("who decides is the patient, as in Consent.patient, or one RelatedPerson", "Consent.performer")
    return "patient"


def check_organization(resource: Resource, party: Recipient) -> None:
    """Refuse another organisation than the provider, or the unit, that the decision is about."""
    if "organization" not in resource:
        return
    if isinstance(party, User):
        known = set(
            CareProvider.objects.filter(units__departments__assignments__user=party).values_list(
                "hsa_id", flat=True
            )
        )
    else:
        known = {party.hsa_id, *([party.provider.hsa_id] if isinstance(party, CareUnit) else [])}
    for index, organization in enumerate(resource["organization"]):
        identifier = organization.get("identifier", {})
        if not is_hsa(str(identifier.get("system", ""))) or identifier.get("value") not in known:
            refuse(
                "the organization is the provider that this is about, by HSA-id",
                f"Consent.organization[{index}]",
            )


def read_dates(period: Resource, path: str) -> tuple[str, str]:
    """Read a period of days as two DICOM dates; both inclusive, empty for open."""
    take_only(period, path, "start", "end")
    found = []
    for key in ("start", "end"):
        text = str(period.get(key, ""))
        if text and len(text) != len("YYYY-MM-DD"):
            refuse("the limits are whole days: YYYY-MM-DD", f"{path}.{key}")
        moment = _read_moment(period, key, path)
        found.append(f"{moment.start:%Y%m%d}" if moment else "")
    if all(found) and found[1] < found[0]:
        refuse("the end is before the start", f"{path}.end")
    return found[0], found[1]


def read_purpose(provision: Resource, path: str) -> str:
    """Read the purpose: treatment unless another is named."""
    known = (codes.TREATMENT, codes.EMERGENCY, codes.BREAK_THE_GLASS)
    purposes = provision.get("purpose", [])
    if not purposes:
        return codes.TREATMENT
    if (
        len(purposes) > 1
        or purposes[0].get("system") != codes.REASONS
        or purposes[0].get("code") not in known
    ):
        refuse(f"the purpose is one of {', '.join(known)} of {codes.REASONS}", f"{path}.purpose")
    return str(purposes[0]["code"])


def read_extensions(resource: Resource, known: Set[str]) -> dict[str, dict[str, str]]:
    """Read the texts of our extensions by address: of a plain one under the empty name, else by part."""
    found: dict[str, dict[str, str]] = {}
    for index, extension in enumerate(resource.get("extension", ())):
        url, place = str(extension.get("url", "")), f"Consent.extension[{index}]"
        if url not in known:
            refuse(f"the extension {url[:80]!r} cannot be held here", place)
        parts = extension.get("extension", [])
        if url == codes.BASIS:
            unknown = [part for part in parts if part.get("url") not in codes.BASIS_PARTS]
            if unknown or "valueString" in extension:
                refuse(f"the parts of a basis are {', '.join(codes.BASIS_PARTS)}", place)
            found[url] = {str(part["url"]): str(part.get("valueString", "")) for part in parts}
        else:
            found[url] = {"": str(extension.get("valueString", ""))}
    return found


def _read_moment(period: Resource, key: str, path: str) -> DateRange | None:
    text = str(period.get(key, ""))
    if not text:
        return None
    if not text[0].isdigit():
        refuse(f"{text[:40]!r} is no date", f"{path}.{key}")
    try:
        return read_date(key, text)
    except InvalidParameter as error:
        refuse(str(error), f"{path}.{key}")


def _find_party(reference: Resource, path: str) -> Recipient:
    identifier = reference.get("identifier", {})
    system, value = str(identifier.get("system", "")), str(identifier.get("value", ""))
    if not is_hsa(system) or not value:
        refuse("name the party by its HSA-id: reference.identifier with the system of HSA", path)
    party = _by_hsa_id(str(reference.get("type", "")), value)
    return party or refuse(f"nobody here has the HSA-id {value[:64]!r}", path)


def _by_hsa_id(kind: str, hsa_id: str) -> Recipient | None:
    if kind in ("", "Organization"):
        found = CareUnit.objects.filter(hsa_id=hsa_id).select_related("provider").first()
        found_or_provider = found or CareProvider.objects.filter(hsa_id=hsa_id).first()
        if found_or_provider or kind:
            return found_or_provider
    users = list(User.objects.filter(hsa_id=hsa_id, is_active=True)[:2])
    return users[0] if len(users) == 1 else None
