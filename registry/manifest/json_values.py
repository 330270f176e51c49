"""Values out of a data set in DICOM JSON, whatever else it holds.

Standard: PS3.18 F.2
"""

from typing import Any

from registry.fragments import NAME_GROUPS
from registry.manifest.data_set import LOCAL_SCHEME
from registry.manifest.model import Code, Identifier

Json = dict[str, Any]


def text_of(attributes: Json, tag: str) -> str:
    """Return the first value of an element as text, empty without one."""
    element = attributes.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    if not isinstance(values, list) or not values or values[0] is None:
        return ""
    value = values[0]
    if isinstance(value, dict):
        return "=".join(str(value.get(group) or "") for group in NAME_GROUPS).rstrip("=")
    return str(value).strip()


def items_of(attributes: Json, tag: str) -> list[Json]:
    """Return the items of a sequence."""
    element = attributes.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return [item for item in values or [] if isinstance(item, dict)] if isinstance(values, list) else []


def code_of(item: Json) -> Code:
    """Return the coded concept of an item; empty without a value."""
    value = text_of(item, "00080100") or text_of(item, "00080119") or text_of(item, "00080120")
    scheme = text_of(item, "00080102")
    if scheme == LOCAL_SCHEME:
        scheme = text_of(item, "0008010C")
    return Code(value, scheme, text_of(item, "00080104"))


def codes_of(attributes: Json, tag: str) -> tuple[Code, ...]:
    """Return the coded concepts of a sequence that have a value."""
    return tuple(code for code in map(code_of, items_of(attributes, tag)) if code.value)


def issuer_of(value: str, items: list[Json]) -> Identifier:
    """Return a number with the issuer that an HL7v2 hierarchic designator names."""
    item = items[0] if items else {}
    local, universal = text_of(item, "00400031"), text_of(item, "00400032")
    return Identifier(value, universal or local, local if universal else "")


def whole_number(text: str) -> int | None:
    """Return the integer a text begins with; some makers write `(50, UCUM, "instances")`."""
    digits = text.strip().lstrip("(").split(",", 1)[0].strip()
    try:
        number = float(digits)
        return int(number) if number.is_integer() else None
    except (ValueError, OverflowError):
        return None
