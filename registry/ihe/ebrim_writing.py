"""Writing ebRIM: drafts and what the registry adds to them as the objects of an answer.

Ids of what lies inside an object follow from the object's own, so that an answer is the same every time.

Standard: IHE ITI TF-3 4.2.5
"""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree

from registry.ihe import ebrim_names as names
from registry.ihe.ebrim_names import RIM
from registry.ihe.xml import Element
from registry.submission import AssociationDraft, Author, Code, EntryDraft, FolderDraft, SubmissionSetDraft

APPROVED = "approved"
Slots = Iterable[tuple[str, Iterable[str]]]


def write_entry(draft: EntryDraft, status: str = APPROVED, version: int = 1) -> Element:
    """Write a document entry as an ExtrinsicObject."""
    item = _start("ExtrinsicObject", draft, names.OBJECT_TYPES[draft.object_type], status)
    item.set("mimeType", draft.mime_type)
    values = {slot: getattr(draft, field) for slot, field in names.ENTRY_SLOTS.items()}
    values["size"] = "" if draft.size is None else str(draft.size)
    slots = [(name, (text,)) for name, text in values.items() if text]
    slots += [(name, getattr(draft, field)) for name, field in names.ENTRY_LIST_SLOTS.items()]
    _add_slots(item, [*slots, *draft.extra.items()])
    _add_texts(item, draft.title, draft.comments, version)
    _add_authors(item, names.ENTRY_AUTHOR, draft.authors)
    _add_codes(item, draft, names.ENTRY_CODES)
    _add_identifiers(item, draft, names.ENTRY_IDS)
    return item


def write_set(draft: SubmissionSetDraft, status: str = APPROVED) -> Element:
    """Write a submission set as a RegistryPackage."""
    item = _start("RegistryPackage", draft, f"{names.REGISTRY_OBJECT}RegistryPackage", status)
    slots = [("submissionTime", (draft.submission_time,)), ("intendedRecipient", draft.intended_recipients)]
    _add_slots(item, [*slots, *draft.extra.items()])
    _add_texts(item, draft.title, draft.comments)
    _add_node(item, names.SET_NODE)
    _add_authors(item, names.SET_AUTHOR, draft.authors)
    _add_codes(item, draft, names.SET_CODES)
    _add_identifiers(item, draft, names.SET_IDS)
    return item


def write_folder(draft: FolderDraft, last_update_time: str = "", status: str = APPROVED) -> Element:
    """Write a folder as a RegistryPackage."""
    item = _start("RegistryPackage", draft, f"{names.REGISTRY_OBJECT}RegistryPackage", status)
    slots = [(names.LAST_UPDATE_TIME, (last_update_time,) if last_update_time else ())]
    _add_slots(item, [*slots, *draft.extra.items()])
    _add_texts(item, draft.title, draft.comments)
    _add_node(item, names.FOLDER_NODE)
    _add_codes(item, draft, names.FOLDER_CODES)
    _add_identifiers(item, draft, names.FOLDER_IDS)
    return item


def write_association(draft: AssociationDraft, status: str = APPROVED) -> Element:
    """Write how two objects are related as an Association."""
    item = _start("Association", draft, f"{names.REGISTRY_OBJECT}Association", status)
    item.set("associationType", names.ASSOCIATION_TYPES[draft.kind])
    item.set("sourceObject", draft.source)
    item.set("targetObject", draft.target)
    slots = [(names.SET_STATUS, (draft.submission_set_status,) if draft.submission_set_status else ())]
    _add_slots(item, [*slots, *draft.extra.items()])
    _add_codes(item, draft, {"documentation": names.DOCUMENTATION})
    return item


def _start(name: str, draft: Any, object_type: str, status: str) -> Element:
    item = etree.Element(f"{{{RIM}}}{name}", nsmap={"rim": RIM})
    item.set("id", draft.entry_uuid)
    if getattr(draft, "logical_uuid", ""):
        item.set("lid", draft.logical_uuid)
    if getattr(draft, "home_community_id", ""):
        item.set("home", draft.home_community_id)
    item.set("objectType", object_type)
    item.set("status", names.STATUSES[status])
    return item


def _add_slots(item: Element, slots: Slots) -> None:
    for name, values in slots:
        held = [text for text in values if text]
        if held:
            slot = etree.SubElement(item, f"{{{RIM}}}Slot", name=name)
            listed = etree.SubElement(slot, f"{{{RIM}}}ValueList")
            for text in held:
                etree.SubElement(listed, f"{{{RIM}}}Value").text = text


def _add_texts(item: Element, title: str, comments: str = "", version: int = 0) -> None:
    for name, text in (("Name", title), ("Description", comments)):
        if text:
            holder = etree.SubElement(item, f"{{{RIM}}}{name}")
            etree.SubElement(holder, f"{{{RIM}}}LocalizedString", value=text)
    if version:
        etree.SubElement(item, f"{{{RIM}}}VersionInfo", versionName=str(version))


def _add_node(item: Element, node: str) -> None:
    _add_classification(item, node, 0, classificationNode=node)


def _add_authors(item: Element, scheme: str, authors: Iterable[Author]) -> None:
    for position, author in enumerate(authors):
        held = _add_classification(item, scheme, position, classificationScheme=scheme, nodeRepresentation="")
        lists = [(name, getattr(author, field)) for name, field in names.AUTHOR_SLOTS.items()]
        _add_slots(held, [("authorPerson", (author.person,)), *lists])


def _add_codes(item: Element, draft: Any, schemes: Mapping[str, str]) -> None:
    for field, scheme in schemes.items():
        value = getattr(draft, field)
        codes = (value,) if isinstance(value, Code) else value or ()
        for position, code in enumerate(codes):
            held = _add_classification(
                item, scheme, position, classificationScheme=scheme, nodeRepresentation=code.code
            )
            _add_slots(held, [("codingScheme", (code.scheme,))])
            _add_texts(held, code.display)


def _add_classification(item: Element, scheme: str, position: int, **values: str) -> Element:
    held = etree.SubElement(item, f"{{{RIM}}}Classification")
    held.set("id", _inner_id(item, scheme, position))
    held.set("objectType", f"{names.REGISTRY_OBJECT}Classification")
    held.set("classifiedObject", item.get("id", ""))
    for name, text in values.items():
        held.set(name, text)
    return held


def _add_identifiers(item: Element, draft: Any, schemes: Mapping[str, tuple[str, str]]) -> None:
    for field, (scheme, name) in schemes.items():
        if getattr(draft, field):
            held = etree.SubElement(item, f"{{{RIM}}}ExternalIdentifier")
            held.set("id", _inner_id(item, scheme, 0))
            held.set("objectType", f"{names.REGISTRY_OBJECT}ExternalIdentifier")
            held.set("registryObject", item.get("id", ""))
            held.set("identificationScheme", scheme)
            held.set("value", getattr(draft, field))
            _add_texts(held, name)


def _inner_id(item: Element, scheme: str, position: int) -> str:
    inner = uuid.uuid5(uuid.NAMESPACE_URL, f"{item.get('id')} {scheme} {position}")
    return f"urn:uuid:{inner}"
