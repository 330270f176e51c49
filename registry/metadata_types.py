"""The data types of document metadata: each function says what is wrong with a text, or nothing.

Standard: IHE ITI TF-3 table 4.2.3.1.7-2
"""

import re

from registry.dtm import is_dtm

MAX_OID_CHARACTERS = 64
MAX_UNIQUE_ID_CHARACTERS = 128
MAX_EXTENSION_CHARACTERS = 16
MAX_SLOT_CHARACTERS = 256
MAX_TITLE_CHARACTERS = 128

UUID_PREFIX = "urn:uuid:"
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+", re.ASCII)
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CX = re.compile(r"([^^&|~]+)\^\^\^&([^^&|~]+)&ISO")
_HASH = re.compile(r"[0-9a-fA-F]{40}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_MIME_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(\s*;.*)?", re.DOTALL)
_PID = re.compile(r"PID-(\d+)\|(.*)", re.DOTALL | re.ASCII)
_FORBIDDEN_PID_FIELDS = ("2", "4", "12", "19")


def is_oid(text: str) -> bool:
    """Tell whether a text is an object identifier of at most 64 characters."""
    return len(text) <= MAX_OID_CHARACTERS and bool(_OID.fullmatch(text))


def is_uuid(text: str) -> bool:
    """Tell whether a text is `urn:uuid:` with lower-case hexadecimal digits."""
    return bool(_UUID.fullmatch(text))


def oid_fault(text: str) -> str:
    """Say what is wrong with an object identifier."""
    return "" if is_oid(text) else "is no OID of at most 64 characters"


def unique_id_fault(text: str) -> str:
    """Say what is wrong with a unique id: an OID, for documents with an extension (`oid^extension`), or a UUID."""
    if is_uuid(text):
        return ""
    root, caret, extension = text.removeprefix("urn:oid:").partition("^")
    if len(text) > MAX_UNIQUE_ID_CHARACTERS:
        return f"is longer than {MAX_UNIQUE_ID_CHARACTERS} characters"
    if not is_oid(root):
        return "is no OID of at most 64 characters"
    if caret and not 0 < len(extension) <= MAX_EXTENSION_CHARACTERS:
        return f"has no extension of 1 to {MAX_EXTENSION_CHARACTERS} characters behind ^"
    return ""


def set_id_fault(text: str) -> str:
    """Say what is wrong with the unique id of a submission set or folder, which has no extension."""
    return "has an extension, which only documents have" if "^" in text else unique_id_fault(text)


def cx_fault(text: str) -> str:
    """Say what is wrong with a patient id."""
    match = _CX.fullmatch(text)
    return "" if match and is_oid(match[2]) else "is not written id^^^&OID&ISO"


def home_fault(text: str) -> str:
    """Say what is wrong with a home community id."""
    good = text.startswith("urn:oid:") and is_oid(text.removeprefix("urn:oid:"))
    return "" if good else "is not written urn:oid:OID"


def dtm_fault(text: str) -> str:
    """Say what is wrong with a time."""
    return "" if is_dtm(text) else "is no time YYYY[MM[DD[hh[mm[ss]]]]] in UTC"


def hash_fault(text: str) -> str:
    """Say what is wrong with a hash."""
    return "" if _HASH.fullmatch(text) else "is no SHA-1 of 40 hexadecimal digits"


def language_fault(text: str) -> str:
    """Say what is wrong with a language."""
    return "" if _LANGUAGE.fullmatch(text) else "is no language of RFC 5646"


def mime_fault(text: str) -> str:
    """Say what is wrong with a media type."""
    return "" if _MIME_TYPE.fullmatch(text) else "is no media type"


def reference_fault(text: str) -> str:
    """Say what is wrong with an item of the reference id list (CXi)."""
    parts = text.split("^")
    if not parts[0]:
        return "has no id"
    if len(parts) < 5 or not parts[4]:
        return "has no identifier type in its fifth component"
    return _authority_fault(parts[3]) if parts[3] else ""


def person_fault(text: str) -> str:
    """Say what is wrong with a person (XCN): an id or a name, and an authority only with an id."""
    parts = text.split("^")
    authority = parts[8] if len(parts) > 8 else ""
    if not parts[0] and not any(parts[1:3]):
        return "has neither id nor name"
    if authority and not parts[0]:
        return "has an assigning authority without id"
    return _authority_fault(authority) if authority else ""


def organisation_fault(text: str) -> str:
    """Say what is wrong with an organisation (XON): a name, and the id with the authority it has."""
    parts = text.split("^")
    authority = parts[5] if len(parts) > 5 else ""
    identifier = parts[9] if len(parts) > 9 else ""
    if not parts[0]:
        return "has no name"
    if identifier and not authority and not is_oid(identifier):
        return "has an id that is no OID, without assigning authority"
    return _authority_fault(authority) if authority else ""


def recipient_fault(text: str) -> str:
    """Say what is wrong with an intended recipient: an organisation, a person or both, with `|` between."""
    parts = [*text.split("|"), "", ""][:3]
    organisation, person, telecommunication = parts
    if not any(parts):
        return "names nobody"
    if organisation and organisation_fault(organisation):
        return organisation_fault(organisation)
    if person and person_fault(person):
        return person_fault(person)
    return "" if organisation or person or telecommunication else "names nobody"


def patient_info_fault(text: str) -> str:
    """Say what is wrong with a value of sourcePatientInfo."""
    match = _PID.fullmatch(text)
    if match is None:
        return "is not written PID-n|value"
    if match[1] in _FORBIDDEN_PID_FIELDS:
        return f"has PID-{match[1]}, which is not used here"
    return ""


def _authority_fault(text: str) -> str:
    parts = text.split("&")
    good = len(parts) == 3 and is_oid(parts[1]) and parts[2] == "ISO"
    return "" if good else "has an assigning authority that is not written &OID&ISO"
