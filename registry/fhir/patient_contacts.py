"""Addresses and ways to reach a patient: read of a Patient that was sent, written into one, and searched by.

Standard: FHIR R4 Address, ContactPoint; IHE ITI PDQm 3.0, ITI-78
"""

from django.db.models import Q, QuerySet

from registry.contacts import PARTS, Address, Contacts, KnownContacts, Telecom, search_line, telecom_key
from registry.fhir.parameters import SearchParameter
from registry.fhir.structure import Resource
from registry.fhir.values import Token
from registry.models import Patient, PatientAddress, PatientTelecom

SYSTEMS = ("phone", "fax", "email", "pager", "url", "sms", "other")
PARAMETERS = (
    SearchParameter("address", "string", "The beginning of any part of an address"),
    SearchParameter("address-city", "string", "The beginning of the town"),
    SearchParameter("address-country", "string", "The beginning of the country"),
    SearchParameter("address-postalcode", "string", "The beginning of the postal code"),
    SearchParameter("address-state", "string", "The beginning of the county"),
    SearchParameter("telecom", "token", "A telephone number or mail address, with its system or without"),
    SearchParameter("phone", "token", "A telephone number"),
    SearchParameter("email", "token", "A mail address"),
)
NAMES = frozenset(parameter.name for parameter in PARAMETERS)
_PART_OF = {
    "address-city": "city",
    "address-country": "country",
    "address-postalcode": "postal_code",
    "address-state": "state",
}
_USES = ("home", "work", "temp", "old", "billing", "mobile")


def read_contacts(sent: Resource) -> Contacts:
    """Read what a Patient says; what it does not have leaves what is known."""
    addresses = tuple(_read_address(one) for one in sent.get("address", ()))
    telecoms = tuple(
        Telecom(_code(one, "system", SYSTEMS) or "other", _text(one, "value"), _code(one, "use", _USES))
        for one in sent.get("telecom", ())
    )
    return Contacts(addresses or None, telecoms or None)


def add_contacts(resource: Resource, patient: Patient, known: KnownContacts | None) -> None:
    """Write what may be told into a resource; None is nothing, not even the postal code."""
    if known is None:
        return
    telecoms = [_make_telecom(row) for row in known.telecoms]
    addresses = [_make_address(row) for row in known.addresses]
    if telecoms:
        resource["telecom"] = telecoms
    if not addresses and patient.postal_code:
        addresses = [{"postalCode": patient.postal_code}]
    if addresses:
        resource["address"] = addresses


def condition_of(name: str, value: Token | str) -> Q:
    """Return the condition of a parameter of `PARAMETERS`."""
    if isinstance(value, Token):
        return Q(pk__in=_with_telecom(name, value).values("patient"))
    parts = [_PART_OF[name]] if name in _PART_OF else PARTS
    text = Q()
    for part in parts:
        text |= Q(search_text__contains=f"\n{search_line(part, value)}")
    found = Q(pk__in=PatientAddress.objects.filter(text).values("patient"))
    if "postal_code" in parts:
        # Those whom a feed described before addresses were kept.
        code = value.replace(" ", "")
        found |= Q(postal_code__startswith=code) if code else Q(pk__in=[])
    return found


def _with_telecom(name: str, token: Token) -> QuerySet[PatientTelecom]:
    rows = PatientTelecom.objects.filter(value_key=telecom_key(token.code or ""))
    system = {"phone": "phone", "email": "email"}.get(name, token.system)
    return rows.filter(system=system) if system else rows


def _read_address(one: Resource) -> Address:
    lines = [str(line).strip() for line in one.get("line", ()) if line]
    return Address(
        line="\n".join(lines) or ("" if one.get("city") else _text(one, "text")),
        city=_text(one, "city"),
        district=_text(one, "district"),
        state=_text(one, "state"),
        postal_code=_text(one, "postalCode").replace(" ", ""),
        country=_text(one, "country"),
        use=_code(one, "use", _USES),
    )


def _make_address(row: PatientAddress) -> Resource:
    told = {
        "use": row.use,
        "line": [line for line in row.line.split("\n") if line],
        "city": row.city,
        "district": row.district,
        "state": row.state,
        "postalCode": row.postal_code,
        "country": row.country,
    }
    return {key: value for key, value in told.items() if value}


def _make_telecom(row: PatientTelecom) -> Resource:
    told = {"system": row.system, "value": row.value, "use": row.use}
    return {key: value for key, value in told.items() if value}


def _text(one: Resource, key: str) -> str:
    return str(one.get(key) or "").strip()


def _code(one: Resource, key: str, known: tuple[str, ...]) -> str:
    code = _text(one, key)
    return code if code in known else ""
