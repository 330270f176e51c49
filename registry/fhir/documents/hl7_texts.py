"""Numbers, people, organisations and addresses as HL7 v2 text, which metadata carries, and as FHIR data types.

Components that no FHIR element stands for are not in the FHIR form; the registry keeps the text as it came.

Standard: IHE ITI TF-3 table 4.2.3.1.7-2 (CX, CXi, XCN, XON, XTN), HL7 v2.5 2.A
"""

import re
from collections.abc import Iterable, Sequence

from registry.fhir.dates import date_of
from registry.fhir.identifiers import issuer_of, system_of
from registry.fhir.structure import Resource
from registry.identity import is_oid

_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
_MARKS = {value: key for key, value in _ESCAPES.items()}
_GENDERS = {"M": "male", "F": "female", "O": "other", "U": "unknown", "A": "other", "N": "other"}
_SEXES = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_ADDRESS = re.compile(r"(https?://|urn:)")
_NAME_PARTS = ("family", "given", "given", "suffix", "prefix")


def escape(text: str) -> str:
    """Write what delimits as an escape."""
    return "".join(_ESCAPES.get(char, char) for char in text)


def unescape(text: str) -> str:
    """Read the escapes of delimiters; anything else that looks like one stays."""
    pieces, rest = [], text
    while (at := rest.find("\\")) >= 0:
        mark = rest[at : at + 3]
        pieces.append(rest[:at] + _MARKS.get(mark, "\\"))
        rest = rest[at + 3 :] if mark in _MARKS else rest[at + 1 :]
    return "".join([*pieces, rest])


def components(text: str) -> list[str]:
    """Split a text at its carets, unescaped except for what has subcomponents of its own."""
    return text.split("^")


def join(parts: Sequence[str]) -> str:
    """Join components without empty ones at the end."""
    return "^".join(parts).rstrip("^")


def authority_of(text: str) -> str:
    """Return the issuer in a hierarchic designator: the universal id, else the name."""
    name, universal, *_ = [*text.split("&"), ""]
    return unescape(universal or name)


def write_authority(issuer: str) -> str:
    """Write an issuer as a hierarchic designator."""
    if not issuer:
        return ""
    return f"&{issuer}&ISO" if is_oid(issuer) else f"&{escape(issuer)}&URI"


def system_of_authority(issuer: str) -> str:
    """Return the system of an issuer; one that is an address already is its own."""
    return issuer if _ADDRESS.match(issuer) else system_of(issuer)


def identifier_of_cx(text: str) -> Resource:
    """Make an Identifier of a CX; empty without a value."""
    value, _, _, authority, *_ = [*components(text), "", "", ""]
    return _identifier(unescape(value), authority_of(authority))


def cx_of_identifier(identifier: Resource) -> str:
    """Write an Identifier as CX; empty without a value."""
    value = str(identifier.get("value", ""))
    issuer = issuer_of(str(identifier.get("system", "")))
    return join([escape(value), "", "", write_authority(issuer)]) if value else ""


def practitioner_of_xcn(text: str) -> Resource:
    """Make the elements of a Practitioner of an XCN."""
    parts = [*components(text), *[""] * 9]
    found: Resource = {}
    identifier = _identifier(unescape(parts[0]), authority_of(parts[8]))
    name = _human_name(parts[1:6])
    if identifier:
        found["identifier"] = [identifier]
    if name:
        found["name"] = [name]
    return found


def xcn_of_practitioner(person: Resource) -> str:
    """Write a Practitioner, or anybody with name and identifier, as XCN."""
    identifier = _first(person, "identifier")
    value, issuer = str(identifier.get("value", "")), issuer_of(str(identifier.get("system", "")))
    name = _name_parts(_first(person, "name"))
    authority = write_authority(issuer) if value else ""
    return join([escape(value), *name, "", "", authority])


def organization_of_xon(text: str) -> Resource:
    """Make the elements of an Organization of an XON; an id that is an OID alone is one."""
    parts = [*components(text), *[""] * 10]
    value, issuer = unescape(parts[9]), authority_of(parts[5])
    found: Resource = {}
    if value:
        found["identifier"] = [_identifier(value, issuer)]
    if parts[0]:
        found["name"] = unescape(parts[0])
    return found


def xon_of_organization(organization: Resource) -> str:
    """Write an Organization as XON."""
    identifier = _first(organization, "identifier")
    value, issuer = str(identifier.get("value", "")), issuer_of(str(identifier.get("system", "")))
    authority = write_authority(issuer) if value else ""
    name = escape(str(organization.get("name", "")))
    return join([name, "", "", "", "", authority, "", "", "", escape(value)])


def contact_of_xtn(text: str) -> Resource:
    """Make a ContactPoint of an XTN; empty where it holds nothing to reach anybody by."""
    parts = [*components(text), *[""] * 12]
    if parts[3]:
        return {"system": "email", "value": unescape(parts[3])}
    number = parts[11] or parts[0] or " ".join(part for part in parts[4:8] if part)
    return {"system": "phone", "value": unescape(number)} if number else {}


def xtn_of_contact(contact: Resource) -> str:
    """Write a ContactPoint as XTN; empty without a value."""
    value = escape(str(contact.get("value", "")))
    if not value:
        return ""
    if contact.get("system") == "email":
        return join(["", "", "Internet", value])
    return join(["", "", "PH", *[""] * 8, value])


def patient_of_pid(values: Iterable[str]) -> Resource:
    """Make the elements of a Patient of sourcePatientInfo (`PID-3|..`, `PID-5|..`, `PID-7|..` ...)."""
    found: Resource = {}
    for value in values:
        field, _, text = value.partition("|")
        for one in text.split("~"):
            _add_field(found, field.strip().upper(), one)
    return found


def pid_of_patient(patient: Resource) -> tuple[str, ...]:
    """Write a Patient as sourcePatientInfo."""
    numbers = [f"PID-3|{cx}" for each in patient.get("identifier", []) if (cx := cx_of_identifier(each))]
    names = [f"PID-5|{name}" for each in patient.get("name", []) if (name := join(_name_parts(each)))]
    rows = [*numbers, *names]
    birth_date = str(patient.get("birthDate", "")).replace("-", "")
    if birth_date:
        rows.append(f"PID-7|{birth_date}")
    if sex := _SEXES.get(str(patient.get("gender", ""))):
        rows.append(f"PID-8|{sex}")
    rows += [f"PID-11|{text}" for each in patient.get("address", []) if (text := _write_address(each))]
    return tuple(rows)


def _first(resource: Resource, element: str) -> Resource:
    return dict(next(iter(resource.get(element, [])), {}))


def _add_field(patient: Resource, field: str, text: str) -> None:
    if field == "PID-3" and (identifier := identifier_of_cx(text)):
        patient.setdefault("identifier", []).append(identifier)
    elif field == "PID-5" and (name := _human_name(components(text)[:5])):
        patient.setdefault("name", []).append(name)
    elif field == "PID-7":
        birth_date = date_of(text[:8]) or (text if text.isdigit() and len(text) == 4 else "")
        patient.update({"birthDate": birth_date} if birth_date else {})
    elif field == "PID-8" and text.strip() in _GENDERS:
        patient["gender"] = _GENDERS[text.strip()]
    elif field == "PID-11" and (address := _address(text)):
        patient.setdefault("address", []).append(address)


def _identifier(value: str, issuer: str) -> Resource:
    if not value:
        return {}
    system = system_of_authority(issuer)
    return {"system": system, "value": value} if system else {"value": value}


def _human_name(parts: Sequence[str]) -> Resource:
    name: Resource = {}
    for key, part in zip(_NAME_PARTS, parts, strict=False):
        # A family name may have subcomponents: the surname as a whole comes first.
        text = unescape(part.split("&")[0]).strip()
        if text and key == "family":
            name[key] = text
        elif text:
            name.setdefault(key, []).append(text)
    return name


def _name_parts(name: Resource) -> list[str]:
    given = [str(each) for each in name.get("given", [])]
    family = str(name.get("family", ""))
    if not family and not given:
        family = str(name.get("text", ""))
    parts = [family, *given[:1], " ".join(given[1:])] if given else [family, "", ""]
    ends = (" ".join(map(str, name.get(key, []))) for key in ("suffix", "prefix"))
    return [escape(part) for part in (*parts, *ends)]


def _address(text: str) -> Resource:
    street, _, city, state, postal_code, country, *_ = [*components(text), *[""] * 6]
    address: Resource = {"line": [unescape(street.split("&")[0])]} if street else {}
    named = {"city": city, "state": state, "postalCode": postal_code, "country": country}
    return address | {key: unescape(value) for key, value in named.items() if value}


def _write_address(address: Resource) -> str:
    parts = [", ".join(map(str, address.get("line", []))), ""]
    parts += [str(address.get(key, "")) for key in ("city", "state", "postalCode", "country")]
    return join([escape(part) for part in parts])
