"""Reading ebRIM: the objects of a SubmitObjectsRequest as a submission.

What cannot be read as metadata is told by object and attribute; what the values mean is checked when they are
registered.

Standard: IHE ITI TF-3 4.2.5
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree

from registry.ihe import ebrim_names as names
from registry.ihe.ebrim_names import RIM
from registry.ihe.xml import Element
from registry.submission import (
    AssociationDraft,
    Author,
    Code,
    EntryDraft,
    FolderDraft,
    RegistryError,
    Submission,
    SubmissionRefused,
    SubmissionSetDraft,
)

METADATA = "XDSRegistryMetadataError"
_KINDS = {url: kind for kind, url in names.OBJECT_TYPES.items()}
Slots = Mapping[str, tuple[str, ...]]


def read_submission(element: Element) -> Submission:
    """Read a SubmitObjectsRequest, or its RegistryObjectList.

    Raises
    ------
    SubmissionRefused
        It is not written as metadata is; every place is told.
    """
    reader = _Reader(element)
    submission = reader.read()
    if reader.errors:
        raise SubmissionRefused(tuple(reader.errors))
    return submission


class _Reader:
    """One list of objects, the classifications that stand beside them, and what was wrong so far."""

    def __init__(self, element: Element) -> None:
        self.errors: list[RegistryError] = []
        lists = list(element.iter(f"{{{RIM}}}RegistryObjectList"))
        self._objects = [each for each in lists[0] if isinstance(each.tag, str)] if lists else []
        if not lists:
            self._tell("RegistryObjectList", "is missing")
        self._beside: dict[str, list[Element]] = defaultdict(list)
        for each in self._objects:
            if _local(each) == "Classification":
                self._beside[each.get("classifiedObject", "").strip()].append(each)

    def read(self) -> Submission:
        sets, entries, folders, links = [], [], [], []
        for item in self._objects:
            kind = _local(item)
            if kind == "ExtrinsicObject":
                entries.append(self._read_entry(item))
            elif kind == "Association":
                links.append(self._read_association(item))
            elif kind == "RegistryPackage":
                nodes = {each.get("classificationNode", "").strip() for each in self._classifications(item)}
                if names.SET_NODE in nodes:
                    sets.append(self._read_set(item))
                elif names.FOLDER_NODE in nodes:
                    folders.append(self._read_folder(item))
                else:
                    self._tell(_name(item), "is classified neither as submission set nor as folder")
            elif kind not in ("Classification", "ObjectRef"):
                self._tell(_name(item), "is no object of document metadata")
        return Submission(tuple(sets), tuple(entries), tuple(folders), tuple(links))

    def _read_entry(self, item: Element) -> EntryDraft:
        slots = self._slots(item)
        values = self._single(item, slots, names.ENTRY_SLOTS)
        uris = slots.get("URI", ())
        values["uri"] = (
            "".join(text.partition("|")[2] for text in sorted(uris)) if len(uris) > 1 else "".join(uris)
        )
        values["size"] = self._read_size(item, values.pop("size", ""))
        object_type = item.get("objectType", "").strip()
        if object_type not in _KINDS:
            self._tell(_name(item), f"objectType {object_type[:80]!r} is no type of document entry")
        return EntryDraft(
            entry_uuid=item.get("id", "").strip(),
            mime_type=item.get("mimeType", "").strip(),
            object_type=_KINDS.get(object_type, "stable"),
            logical_uuid=item.get("lid", "").strip(),
            home_community_id=item.get("home", "").strip(),
            title=_text(item, "Name"),
            comments=_text(item, "Description"),
            authors=self._authors(item, names.ENTRY_AUTHOR),
            extra=_extra(slots, {*names.ENTRY_SLOTS, *names.ENTRY_LIST_SLOTS}),
            source_patient_info=slots.get("sourcePatientInfo", ()),
            references=slots.get(names.REFERENCE_IDS, ()),
            **self._codes(item, names.ENTRY_CODES),
            **self._identifiers(item, names.ENTRY_IDS),
            **values,
        )

    def _read_set(self, item: Element) -> SubmissionSetDraft:
        slots = self._slots(item)
        return SubmissionSetDraft(
            entry_uuid=item.get("id", "").strip(),
            home_community_id=item.get("home", "").strip(),
            title=_text(item, "Name"),
            comments=_text(item, "Description"),
            authors=self._authors(item, names.SET_AUTHOR),
            intended_recipients=slots.get("intendedRecipient", ()),
            extra=_extra(slots, {*names.SET_SLOTS, *names.SET_LIST_SLOTS}),
            **self._codes(item, names.SET_CODES),
            **self._identifiers(item, names.SET_IDS),
            **self._single(item, slots, names.SET_SLOTS),
        )

    def _read_folder(self, item: Element) -> FolderDraft:
        return FolderDraft(
            entry_uuid=item.get("id", "").strip(),
            logical_uuid=item.get("lid", "").strip(),
            home_community_id=item.get("home", "").strip(),
            title=_text(item, "Name"),
            comments=_text(item, "Description"),
            extra=_extra(self._slots(item), {names.LAST_UPDATE_TIME}),
            **self._codes(item, names.FOLDER_CODES),
            **self._identifiers(item, names.FOLDER_IDS),
        )

    def _read_association(self, item: Element) -> AssociationDraft:
        slots = self._slots(item)
        kinds = {url: kind for kind, url in names.ASSOCIATION_TYPES.items()}
        url = item.get("associationType", "").strip()
        if url not in kinds:
            self._tell(_name(item), f"associationType {url[:100]!r} cannot be registered")
        held = self._codes(item, {"documentation": names.DOCUMENTATION})
        return AssociationDraft(
            entry_uuid=item.get("id", "").strip() or f"association-{id(item)}",
            kind=kinds.get(url, "HasMember"),
            source=item.get("sourceObject", "").strip(),
            target=item.get("targetObject", "").strip(),
            submission_set_status=self._one(item, slots, names.SET_STATUS),
            documentation=held["documentation"],
            extra=_extra(slots, {names.SET_STATUS}),
        )

    def _slots(self, item: Element) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for slot in item.findall(f"{{{RIM}}}Slot"):
            name = slot.get("name", "").strip()
            values = tuple((v.text or "").strip() for v in slot.iter(f"{{{RIM}}}Value"))
            if not name:
                self._tell(_name(item), "has a Slot without name")
            elif name in found:
                self._tell(_name(item), f"has the Slot {name[:80]} more than once")
            else:
                found[name] = tuple(text for text in values if text)
        return found

    def _one(self, item: Element, slots: Slots, name: str) -> str:
        values = slots.get(name, ())
        if len(values) > 1 and name != "URI":
            self._tell(_name(item), f"{name} has {len(values)} values, not one")
        return values[0] if values else ""

    def _single(self, item: Element, slots: Slots, fields: Mapping[str, str]) -> dict[str, Any]:
        return {field: self._one(item, slots, name) for name, field in fields.items()}

    def _read_size(self, item: Element, text: str) -> int | None:
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            self._tell(_name(item), f"size {text[:40]!r} is no number of bytes")
            return None
        return int(text)

    def _classifications(self, item: Element) -> list[Element]:
        inside = item.findall(f"{{{RIM}}}Classification")
        for each in inside:
            about = each.get("classifiedObject", "").strip()
            if about and about != item.get("id", "").strip():
                self._tell(_name(item), f"holds a Classification of another object, {about[:80]}")
        return [*inside, *self._beside.get(item.get("id", "").strip(), ())]

    def _codes(self, item: Element, schemes: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field, scheme in schemes.items():
            codes = tuple(
                self._read_code(item, each)
                for each in self._classifications(item)
                if each.get("classificationScheme", "").strip() == scheme
            )
            if field in names.PLURAL_CODES:
                found[field] = codes
                continue
            if len(codes) > 1:
                self._tell(_name(item), f"has {len(codes)} classifications of the scheme {scheme}, not one")
            found[field] = codes[0] if codes else None
        return found

    def _read_code(self, item: Element, classification: Element) -> Code:
        scheme = self._one(item, self._slots(classification), "codingScheme")
        code = classification.get("nodeRepresentation", "").strip()
        return Code(code, scheme, _text(classification, "Name"))

    def _authors(self, item: Element, scheme: str) -> tuple[Author, ...]:
        found = []
        for each in self._classifications(item):
            if each.get("classificationScheme", "").strip() == scheme:
                slots = self._slots(each)
                lists = {field: slots.get(name, ()) for name, field in names.AUTHOR_SLOTS.items()}
                found.append(Author(person=self._one(item, slots, "authorPerson"), **lists))
        return tuple(found)

    def _identifiers(self, item: Element, schemes: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field, (scheme, name) in schemes.items():
            values = [
                each.get("value", "").strip()
                for each in item.findall(f"{{{RIM}}}ExternalIdentifier")
                if each.get("identificationScheme", "").strip() == scheme
            ]
            if len(values) > 1:
                self._tell(_name(item), f"has {len(values)} external identifiers {name}, not one")
            found[field] = values[0] if values else ""
        return found

    def _tell(self, name: str, what: str) -> None:
        self.errors.append(RegistryError(METADATA, f"{name} {what}"))


def _local(element: Element) -> str:
    return str(etree.QName(element).localname)


def _name(item: Element) -> str:
    return f"{_local(item)} {item.get('id', '').strip()[:80]}:"


def _text(item: Element, name: str) -> str:
    found = item.find(f"{{{RIM}}}{name}/{{{RIM}}}LocalizedString")
    return found.get("value", "") if found is not None else ""


def _extra(slots: Slots, known: Iterable[str]) -> dict[str, tuple[str, ...]]:
    return {name: values for name, values in slots.items() if name not in set(known)}
