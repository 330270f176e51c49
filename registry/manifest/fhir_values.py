"""Values of DICOM as FHIR writes them, and back, without loss.

Standard: FHIR R4 datatypes; PS3.5 6.2
"""

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from registry.fhir.identifiers import issuer_of, system_of
from registry.manifest.codes import scheme_of_system, system_of_scheme
from registry.manifest.model import Code, Identifier

Resource = dict[str, Any]

IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_REPRESENTATIONS = ("ABC", "IDE", "SYL")
_GENDERS = {"M": "male", "F": "female", "O": "other"}
_SEXES = {gender: sex for sex, gender in _GENDERS.items()}
_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
DEFAULT_ZONE = "+0000"


def write_date_time(date: str, time: str, zone: str) -> str:
    """Write a DICOM date and time (`HHMMSS[.F]`) at an offset; the date alone without a time."""
    day = f"{date[:4]}-{date[4:6]}-{date[6:8]}" if date else ""
    if not date or not time:
        return day
    return f"{day}T{time[:2]}:{time[2:4]}:{time[4:]}{zone[:3]}:{zone[3:]}"


def read_date_time(text: str, zone: str = "") -> tuple[str, str, str]:
    """Read date, time and offset; moved to `zone` where one is given. Empty texts for what cannot be read."""
    found = _DATE_TIME.fullmatch(text)
    if not found:
        return "", "", ""
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if not hour:
        return year + month + day, "", ""
    own = "+0000" if offset in (None, "Z") else offset.replace(":", "")
    if not zone or own == zone:
        return year + month + day, hour + minute + second + (fraction or ""), own
    try:
        moment = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second}{own[:3]}:{own[3:]}")
        local = moment.astimezone(_zone_of(zone))
    except (ValueError, OverflowError):  # a moment that no calendar has
        return year + month + day, "", ""
    return local.strftime("%Y%m%d"), local.strftime("%H%M%S") + (fraction or ""), zone


def _zone_of(offset: str) -> timezone:
    minutes = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:5]))
    return timezone(-minutes if offset[0] == "-" else minutes)


def write_coding(code: Code) -> Resource:
    """Write a Coding."""
    coding = {"system": system_of_scheme(code.scheme), "code": code.value, "display": code.meaning}
    return {key: value for key, value in coding.items() if value}


def read_coding(coding: Any) -> Code:
    """Read a Coding."""
    if not isinstance(coding, dict):
        return Code("", "")
    system, code, display = (str(coding.get(key) or "") for key in ("system", "code", "display"))
    return Code(code, scheme_of_system(system), display)


def read_concept(concept: Any) -> Code:
    """Read the first coding of a CodeableConcept."""
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return read_coding(codings[0]) if isinstance(codings, list) and codings else Code("", "")


def write_identifier(number: Identifier, *types: tuple[str, str, str]) -> Resource:
    """Write an Identifier with its types, given as system, code and display."""
    identifier: Resource = {}
    if types:
        identifier["type"] = {
            "coding": [{"system": s, "code": code, "display": display} for s, code, display in types]
        }
    if number.issuer:
        issuer = number.issuer
        identifier["system"] = issuer if "://" in issuer or issuer.startswith("urn:") else system_of(issuer)
    identifier["value"] = number.value
    if number.namespace:
        identifier["assigner"] = {"display": number.namespace}
    return identifier


def read_identifier(identifier: Any) -> Identifier:
    """Read an Identifier's value, issuer and the assigner's name."""
    if not isinstance(identifier, dict):
        return Identifier("")
    assigner = identifier.get("assigner")
    namespace = str(assigner.get("display") or "") if isinstance(assigner, dict) else ""
    issuer = issuer_of(str(identifier.get("system") or ""))
    return Identifier(str(identifier.get("value") or ""), issuer, namespace)


def has_type(identifier: Any, code: str) -> bool:
    """Tell whether an Identifier is of a type of HL7 table 0203 or of DICOM."""
    kind = identifier.get("type") if isinstance(identifier, dict) else None
    codings = kind.get("coding") if isinstance(kind, dict) else None
    return any(isinstance(c, dict) and c.get("code") == code for c in codings or [])


def write_names(name: str) -> list[Resource]:
    """Write a person name as HumanNames, one for each of its component groups."""
    names = []
    for group, kind in zip(name.split("="), _REPRESENTATIONS, strict=False):
        if not group.strip("^ "):
            continue
        family, given, middle, prefix, suffix = (group.split("^") + [""] * 5)[:5]
        parts: Resource = {"text": " ".join(f"{prefix} {given} {middle} {family} {suffix}".split())}
        if kind != "ABC":
            parts["extension"] = [{"url": REPRESENTATION, "valueCode": kind}]
        if family:
            parts["family"] = family
        if given or middle:
            parts["given"] = [text for text in (given, middle) if text]
        parts |= {key: [text] for key, text in (("prefix", prefix), ("suffix", suffix)) if text}
        names.append(parts)
    return names


def read_names(names: Any) -> str:
    """Read HumanNames as a person name."""
    groups = ["", "", ""]
    for name in names if isinstance(names, list) else []:
        if isinstance(name, dict):
            place = _place_of(name)
            groups[place] = groups[place] or _read_group(name)
    return "=".join(groups).rstrip("=")


def _place_of(name: Resource) -> int:
    for extension in name.get("extension") or []:
        if isinstance(extension, dict) and extension.get("url") == REPRESENTATION:
            kind = extension.get("valueCode")
            return _REPRESENTATIONS.index(kind) if kind in _REPRESENTATIONS else 0
    return 0


def _read_group(name: Resource) -> str:
    given = _texts(name.get("given"))
    first, middle = (given[0] if given else ""), " ".join(given[1:])
    prefix, suffix = (" ".join(_texts(name.get(key))) for key in ("prefix", "suffix"))
    family = str(name.get("family") or "")
    if not family and not given:
        family = str(name.get("text") or "")
    return f"{family}^{first}^{middle}^{prefix}^{suffix}".rstrip("^")


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values if value] if isinstance(values, list) else []


def write_gender(sex: str) -> str:
    """Write Patient's Sex; empty where nothing is known."""
    return _GENDERS.get(sex, "unknown" if sex else "")


def read_sex(gender: Any) -> str:
    """Read a gender; empty for one that is unknown."""
    return _SEXES.get(str(gender or ""), "")
