"""A Bundle that provides documents, read as a submission (ITI-65).

Standard: IHE ITI TF-2 3.65.4.1.2
"""

import binascii
import uuid
from base64 import b64decode
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

import orjson
from django.utils import timezone

from registry.document_patients import write_patients
from registry.fhir.documents.entry_reading import Told, read_document_reference
from registry.fhir.documents.identifiers import new_oid, unique_id_of, uuid_of_id
from registry.fhir.documents.list_form import FOLDER, ToldList, kind_of, read_folder, read_submission_set
from registry.fhir.documents.people import Resolve
from registry.fhir.documents.times import dtm_of
from registry.fhir.errors import InvalidParameter, UnheldContent
from registry.fhir.identifiers import numbers_of
from registry.fhir.structure import Resource
from registry.fhir.values import Token
from registry.fhir.xml_format import xml_of_resource
from registry.identity import find_patient
from registry.models import Association, DocumentEntry
from registry.models.document import APPROVED
from registry.submission import (
    AssociationDraft,
    EntryDraft,
    FolderDraft,
    RegistryError,
    Submission,
    SubmissionRefused,
    SubmissionSetDraft,
)
from repository.fhir.accept import Provided

HAS_MEMBER = "HasMember"
KINDS = {"replaces": "RPLC", "transforms": "XFRM", "appends": "APND", "signs": "signs"}


@dataclass(slots=True)
class Reading:
    """What was read of a Bundle so far; `places` are where each entry lies in the end, by its number."""

    base: str
    entries: list[Resource]
    by_url: dict[str, int] = field(default_factory=dict)
    drafts: dict[int, EntryDraft] = field(default_factory=dict)
    folders: dict[int, FolderDraft] = field(default_factory=dict)
    held_folders: dict[int, str] = field(default_factory=dict)
    sets: dict[int, SubmissionSetDraft] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)
    links: list[AssociationDraft] = field(default_factory=list)
    patients: dict[int, int] = field(default_factory=dict)
    patched: dict[int, str] = field(default_factory=dict)


def read_bundle(bundle: Resource, base: str) -> tuple[Provided, Reading]:
    """Read the Bundle of a transaction.

    Raises
    ------
    InvalidParameter, UnheldContent
        It is no Bundle that provides documents; the expression says where.
    SubmissionRefused
        A rule of document sharing is broken.
    """
    if bundle.get("type") != "transaction":
        raise InvalidParameter(f"a transaction is taken, not {str(bundle.get('type'))[:40]!r}", "Bundle.type")
    reading = Reading(base, bundle.get("entry", []))
    for number, entry in enumerate(reading.entries):
        if entry.get("fullUrl"):
            reading.by_url[entry["fullUrl"]] = number
    for number, entry in enumerate(reading.entries):
        _sort_entry(reading, number, entry)
    if len(reading.sets) != 1:
        raise UnheldContent(f"there are {len(reading.sets)} submission sets, not one", "Bundle.entry")
    _check_binaries(reading)
    _link(reading)
    profiles = " ".join(bundle.get("meta", {}).get("profile", []))
    submission = Submission(
        tuple(reading.sets.values()),
        tuple(reading.drafts.values()),
        tuple(reading.folders.values()),
        tuple(reading.links),
    )
    return Provided(submission, reading.contents, minimal="Comprehensive" not in profiles), reading


def name_patient(reading: Reading, reference: Resource, path: str) -> str:
    """Return the CX of the patient that a reference names; empty without one.

    Raises
    ------
    SubmissionRefused
        Nobody here is meant.
    """
    if not reference:
        return ""
    key = _patient_key(reading, reference)
    named = write_patients([key]) if key else {}
    if key not in named:
        told = reference.get("reference") or reference.get("identifier", {}).get("system", "")
        raise SubmissionRefused((RegistryError("XDSUnknownPatientId", f"{path}: {told} is nobody here"),))
    return named[key]


def decode(text: str, path: str) -> bytes:
    """Decode base64.

    Raises
    ------
    UnheldContent
        It is none.
    """
    try:
        return b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnheldContent("the data is no base64", path) from error


def find_relations(reading: Reading, sent: Resource, source: str, path: str) -> list[AssociationDraft]:
    """Read what a document is to others."""
    found = []
    for number, relation in enumerate(sent.get("relatesTo", [])):
        kind = KINDS.get(relation.get("code", ""))
        if kind is None:
            raise UnheldContent(
                f"no relation {str(relation.get('code'))[:20]!r}", f"{path}.relatesTo[{number}].code"
            )
        target = _document_uuid(reading, relation.get("target", {}))
        found.append(AssociationDraft(f"{source}-relation{number}", kind, source, target))
    return found


def _sort_entry(reading: Reading, number: int, entry: Resource) -> None:
    path = f"Bundle.entry[{number}]"
    resource, request = entry.get("resource", {}), entry.get("request", {})
    method, resource_type = request.get("method", ""), resource.get("resourceType", "")
    if resource_type == "Patient" or (not resource and str(request.get("url", "")).startswith("Patient")):
        key = _patient_of_entry(reading, entry)
        if not key:
            raise SubmissionRefused(
                (RegistryError("XDSUnknownPatientId", f"{path}: nobody here has its number"),)
            )
        reading.patients[number] = key
    elif resource_type == "DocumentReference" and method == "PUT" and resource.get("status") == "superseded":
        reading.patched[number] = uuid_of_id(str(request.get("url", "")).rpartition("/")[2])
    elif resource_type == "Parameters" and method == "PATCH":
        reading.patched[number] = uuid_of_id(str(request.get("url", "")).rpartition("/")[2])
        _check_patch(resource, path)
    elif resource_type == "List" and (
        method == "POST" or (method == "PUT" and kind_of(resource, path) == FOLDER)
    ):
        _read_list(reading, number, resource, request)
    elif resource_type == "DocumentReference" and method == "POST":
        read_reference(reading, number, resource)
    elif resource_type not in ("Binary", "Bundle") or method != "POST":
        raise UnheldContent(f"{method} of {resource_type or 'nothing'} is no part of a document bundle", path)


def read_reference(reading: Reading, number: int, sent: Resource) -> None:
    """Read a DocumentReference and the bytes that belong to it."""
    path = f"Bundle.entry[{number}].resource"
    if sent.get("status", "current") != "current":
        raise UnheldContent("what is submitted is current", f"{path}.status")
    patient_id = name_patient(reading, sent.get("subject", {}), f"{path}.subject")
    told = Told(patient_id, f"document{number}", _resolver(reading, sent), path)
    draft = read_document_reference(sent, told)
    reading.drafts[number] = draft
    attachment = sent["content"][0]["attachment"]
    at = f"{path}.content[0].attachment"
    if "data" in attachment:
        reading.contents[draft.entry_uuid] = decode(attachment["data"], f"{at}.data")
        return
    holder = reading.by_url.get(str(attachment.get("url", "")))
    if holder is None:
        return
    reading.owners[holder] = draft.entry_uuid
    held = reading.entries[holder].get("resource", {})
    if held.get("resourceType") == "Binary":
        reading.contents[draft.entry_uuid] = decode(
            held.get("data", ""), f"Bundle.entry[{holder}].resource.data"
        )
    elif held.get("resourceType") == "Bundle":
        is_xml = "xml" in draft.mime_type
        content = xml_of_resource(held) if is_xml else orjson.dumps(held)
        reading.contents[draft.entry_uuid] = content
        # A resource has no bytes of its own: what the sender counted are those of its own writing.
        reading.drafts[number] = _without_measures(draft)


def _without_measures(draft: EntryDraft) -> EntryDraft:
    return replace(draft, hash="", size=None)


def _read_list(reading: Reading, number: int, sent: Resource, request: Resource) -> None:
    path = f"Bundle.entry[{number}].resource"
    kind = kind_of(sent, path)
    if kind == FOLDER and request.get("method") == "PUT":
        reading.held_folders[number] = uuid_of_id(str(request.get("url", "")).rpartition("/")[2])
        return
    patient_id = name_patient(reading, sent.get("subject", {}), f"{path}.subject")
    told = ToldList(patient_id, f"{kind}{number}", _resolver(reading, sent), dtm_of(timezone.now()), path)
    if kind == FOLDER:
        folder = read_folder(sent, told)
        reading.folders[number] = folder
    else:
        reading.sets[number] = read_submission_set(sent, told)


def _link(reading: Reading) -> None:
    [set_number] = reading.sets
    owner = reading.sets[set_number].entry_uuid
    for number, draft in reading.drafts.items():
        reading.links.append(
            AssociationDraft(f"member{number}", HAS_MEMBER, owner, draft.entry_uuid, "Original")
        )
        sent = reading.entries[number]["resource"]
        path = f"Bundle.entry[{number}].resource"
        reading.links += find_relations(reading, sent, draft.entry_uuid, path)
    own = {draft.entry_uuid for draft in reading.drafts.values()}
    for uuid_ in _members(reading, set_number):
        if uuid_ not in own and uuid_ not in {folder.entry_uuid for folder in reading.folders.values()}:
            reading.links.append(
                AssociationDraft(f"reference-{uuid_[-12:]}", HAS_MEMBER, owner, uuid_, "Reference")
            )
    for number, folder in reading.folders.items():
        reading.links.append(AssociationDraft(f"folder-member{number}", HAS_MEMBER, owner, folder.entry_uuid))
    folders = {number: folder.entry_uuid for number, folder in reading.folders.items()} | reading.held_folders
    for number, folder_uuid in folders.items():
        known = _known_members(folder_uuid) if number in reading.held_folders else set()
        for index, member in enumerate(_members(reading, number)):
            if member not in known:
                symbol = f"folder{number}-member{index}"
                reading.links.append(AssociationDraft(symbol, HAS_MEMBER, folder_uuid, member))
                reading.links.append(AssociationDraft(f"{symbol}-set", HAS_MEMBER, owner, symbol))
    replaced = {link.target for link in reading.links if link.kind == "RPLC"}
    for number, target in reading.patched.items():
        if target not in replaced:
            raise UnheldContent(
                "only what a document of the bundle replaces becomes superseded", f"Bundle.entry[{number}]"
            )


def _known_members(folder_uuid: str) -> set[str]:
    rows = Association.objects.filter(kind=HAS_MEMBER, source_uuid=folder_uuid)
    return set(rows.values_list("target_uuid", flat=True))


def _members(reading: Reading, number: int) -> list[str]:
    items = [entry.get("item", {}) for entry in reading.entries[number]["resource"].get("entry", [])]
    return [uuid_ for item in items if (uuid_ := _document_uuid(reading, item))]


def _document_uuid(reading: Reading, reference: Resource) -> str:
    """Return the UUID of the object that a reference means; what cannot be found is said by registration."""
    address = str(reference.get("reference", ""))
    number = reading.by_url.get(address)
    if number is not None:
        held = reading.drafts.get(number) or reading.folders.get(number)
        return held.entry_uuid if held else reading.held_folders.get(number, "")
    if address:
        return uuid_of_id(address.rpartition("/")[2].removeprefix("urn:uuid:")) or address
    unique_id = unique_id_of(reference.get("identifier", {}))[0]
    rows = DocumentEntry.objects.filter(unique_id=unique_id, status=APPROVED).order_by("-pk")
    row = rows.first() if unique_id else None
    return row.entry_uuid if row else unique_id


def _patient_key(reading: Reading, reference: Resource) -> int:
    address = str(reference.get("reference", ""))
    if address in reading.by_url:
        return _patient_of_entry(reading, reading.entries[reading.by_url[address]])
    return _key_of_address(reading, address) or _key_of_identifiers([reference.get("identifier", {})])


def _patient_of_entry(reading: Reading, entry: Resource) -> int:
    url = str(entry.get("request", {}).get("url", ""))
    key = _key_of_address(reading, url)
    if not key and "?" in url:
        for name, value in parse_qsl(url.partition("?")[2]):
            if name == "identifier":
                system, _, number = value.rpartition("|")
                key = _key_of_identifiers([{"system": system, "value": number}])
    return key or _key_of_identifiers(entry.get("resource", {}).get("identifier", []))


def _key_of_address(reading: Reading, address: str) -> int:
    resource_type, _, key = address.removeprefix(f"{reading.base}/").partition("/")
    is_key = resource_type == "Patient" and key.isascii() and key.isdigit() and len(key) <= 18
    return int(key) if is_key else 0


def _key_of_identifiers(identifiers: list[Resource]) -> int:
    for identifier in identifiers:
        if identifier.get("value"):
            for number in numbers_of(Token(identifier.get("system", ""), identifier["value"])):
                if (patient := find_patient(number)) is not None:
                    return patient.pk
    return 0


def _resolver(reading: Reading, sent: Resource) -> Resolve:
    contained = {f"#{each.get('id')}": each for each in sent.get("contained", [])}

    def resolve(reference: Resource) -> Resource | None:
        address = str(reference.get("reference", ""))
        if address.startswith("#"):
            return contained.get(address)
        number = reading.by_url.get(address)
        return reading.entries[number].get("resource") if number is not None else None

    return resolve


def _check_patch(parameters: Resource, path: str) -> None:
    """Refuse any change but that of a status to superseded."""
    for operation in parameters.get("parameter", []):
        parts = {
            part.get("name"): next((v for k, v in part.items() if k.startswith("value")), "")
            for part in operation.get("part", [])
        }
        if (parts.get("path"), parts.get("value")) != ("DocumentReference.status", "superseded"):
            raise UnheldContent("the one change is DocumentReference.status to superseded", path)


def _check_binaries(reading: Reading) -> None:
    for number, entry in enumerate(reading.entries):
        resource_type = entry.get("resource", {}).get("resourceType")
        if resource_type in ("Binary", "Bundle") and number not in reading.owners:
            text = f"Bundle.entry[{number}]: no DocumentReference refers to it"
            raise SubmissionRefused((RegistryError("XDSMissingDocumentMetadata", text),))


def make_unique_id() -> str:
    """Make a unique id for a submission set that came without one."""
    return new_oid(uuid.uuid4())
