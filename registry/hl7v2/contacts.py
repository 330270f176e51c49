"""Addresses and telephone numbers of a PID.

Standard: HL7 v2.5.1 3.4.2.11 (PID-11), 3.4.2.13, 3.4.2.14; tables 0190, 0201, 0202
"""

from registry.contacts import Address, Contacts, Telecom
from registry.hl7v2.message import Segment, Value

ADDRESSES, AT_HOME, AT_WORK = 11, 13, 14
_USES = {"H": "home", "P": "home", "L": "home", "C": "temp", "B": "work", "O": "work", "BA": "old"}
_SYSTEMS = {"FX": "fax", "BP": "pager", "INTERNET": "email", "X.400": "email", "SAT": "phone"}
_TELECOM_USES = {"PRN": "home", "WPN": "work", "VHN": "temp"}


def read_contacts(pid: Segment) -> Contacts:
    """Read what a PID says; nothing said leaves what is known, `""` says that there is none."""
    addresses = telecoms = None
    if pid.raw(ADDRESSES):
        read = [] if pid.is_null(ADDRESSES) else [_read_address(one) for one in pid.values(ADDRESSES)]
        addresses = tuple(one for one in read if one)
    if pid.raw(AT_HOME) or pid.raw(AT_WORK):
        found = [(one, "home") for one in pid.values(AT_HOME)] + [
            (one, "work") for one in pid.values(AT_WORK)
        ]
        read_all = [_read_telecom(one, use) for one, use in found]
        telecoms = tuple(one for one in read_all if one.value)
    return Contacts(addresses, telecoms)


def _read_address(value: Value) -> Address:
    """Read an XAD; the street is the first subcomponent of an SAD, which may hold all of it. The county or
    parish code is in Sweden that of county, municipality and parish, two digits each.
    """
    return Address(
        line="\n".join(text for text in (value.text(1), value.text(2)) if text),
        city=value.text(3),
        district=value.text(9),
        state=value.text(4),
        postal_code=value.text(5).replace(" ", ""),
        country=value.text(6),
        use=_USES.get(value.text(7), ""),
    )


def _read_telecom(value: Value, use: str) -> Telecom:
    """Read an XTN: a mail address, an unformatted number, one in parts, or the text of older versions."""
    kind, equipment, address = value.text(2), value.text(3).upper(), value.text(4)
    is_mail = bool(address) or kind == "NET" or equipment in ("INTERNET", "X.400")
    parts = [value.text(number) for number in (5, 6, 7)]
    if parts[0]:
        parts[0] = f"+{parts[0].lstrip('+')}"
    number = value.text(12) or (" ".join(part for part in parts if part) if parts[2] else "")
    return Telecom(
        system="email" if is_mail else _SYSTEMS.get(equipment, "phone"),
        value=(address if is_mail else number) or value.text(1),
        use="mobile" if equipment == "CP" else _TELECOM_USES.get(kind, "" if is_mail else use),
    )
