"""A Bundle that provides documents, read as a submission (ITI-65).

Standard: IHE ITI TF-2 3.65.4.1.2
"""

import binascii
import uuid
from base64 import b64decode
from dataclasses import replace

import orjson
from django.utils import timezone

from registry.fhir.documents.entry_reading import Told, read_document_reference
from registry.fhir.documents.identifiers import new_oid, uuid_of_id
from registry.fhir.documents.list_form import FOLDER, ToldList, kind_of, read_folder, read_submission_set
from registry.fhir.documents.times import dtm_of
from registry.fhir.errors import InvalidParameter, UnheldContent
from registry.fhir.structure import Resource
from registry.fhir.xml_format import xml_of_resource
from registry.submission import EntryDraft, RegistryError, Submission, SubmissionRefused
from repository.fhir.accept import Provided
from repository.fhir.links import link
from repository.fhir.reading import Reading, find_patient_of_entry, make_resolver, name_patient


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
    link(reading)
    profiles = " ".join(bundle.get("meta", {}).get("profile", []))
    submission = Submission(
        tuple(reading.sets.values()),
        tuple(reading.drafts.values()),
        tuple(reading.folders.values()),
        tuple(reading.links),
    )
    return Provided(submission, reading.contents, minimal="Comprehensive" not in profiles), reading


def read_reference(reading: Reading, number: int, sent: Resource) -> None:
    """Read a DocumentReference and the bytes that belong to it."""
    path = f"Bundle.entry[{number}].resource"
    if sent.get("status", "current") != "current":
        raise UnheldContent("what is submitted is current", f"{path}.status")
    patient_id = name_patient(reading, sent.get("subject", {}), f"{path}.subject")
    told = Told(patient_id, f"document{number}", make_resolver(reading, sent), path)
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


def make_unique_id() -> str:
    """Make a unique id for a submission set that came without one."""
    return new_oid(uuid.uuid4())


def _sort_entry(reading: Reading, number: int, entry: Resource) -> None:
    path = f"Bundle.entry[{number}]"
    resource, request = entry.get("resource", {}), entry.get("request", {})
    method, resource_type = request.get("method", ""), resource.get("resourceType", "")
    if resource_type == "Patient" or (not resource and str(request.get("url", "")).startswith("Patient")):
        key = find_patient_of_entry(reading, entry)
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


def _without_measures(draft: EntryDraft) -> EntryDraft:
    return replace(draft, hash="", size=None)


def _read_list(reading: Reading, number: int, sent: Resource, request: Resource) -> None:
    path = f"Bundle.entry[{number}].resource"
    kind = kind_of(sent, path)
    if kind == FOLDER and request.get("method") == "PUT":
        reading.held_folders[number] = uuid_of_id(str(request.get("url", "")).rpartition("/")[2])
        return
    patient_id = name_patient(reading, sent.get("subject", {}), f"{path}.subject")
    told = ToldList(patient_id, f"{kind}{number}", make_resolver(reading, sent), dtm_of(timezone.now()), path)
    if kind == FOLDER:
        folder = read_folder(sent, told)
        reading.folders[number] = folder
    else:
        reading.sets[number] = read_submission_set(sent, told)


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
