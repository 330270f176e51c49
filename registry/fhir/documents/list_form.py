"""Submission sets and folders as List, and Lists that were sent read back.

Standard: IHE ITI TF-3 4.5.2, 4.5.3 (MHD)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from registry.fhir.dates import instant
from registry.fhir.documents.code_systems import codes_of, concept_of
from registry.fhir.documents.identifiers import URI, entry_uuid_of, identifier_of_unique_id, unique_id_of
from registry.fhir.documents.people import (
    Resolve,
    read_author,
    read_recipient,
    write_authors,
    write_recipient,
)
from registry.fhir.documents.times import date_time_of_dtm, dtm_of_date_time
from registry.fhir.errors import UnheldContent
from registry.fhir.structure import Resource
from registry.submission import Author, Code, FolderDraft, SubmissionSetDraft

_BASE = "https://profiles.ihe.net/ITI/MHD"
Kind = Literal["submissionset", "folder"]
SUBMISSION_SET: Final = "submissionset"
FOLDER: Final = "folder"
LIST_TYPES = f"{_BASE}/CodeSystem/MHDlistTypes"
_EXTENSION = f"{_BASE}/StructureDefinition/ihe-"
SOURCE_ID, DESIGNATION_TYPE = f"{_EXTENSION}sourceId", f"{_EXTENSION}designationType"
INTENDED_RECIPIENT, AUTHOR_ORGANIZATION = f"{_EXTENSION}intendedRecipient", f"{_EXTENSION}authorOrg"
PROFILES = {
    SUBMISSION_SET: f"{_BASE}/StructureDefinition/IHE.MHD.Minimal.SubmissionSet",
    FOLDER: f"{_BASE}/StructureDefinition/IHE.MHD.Minimal.Folder",
}
FURTHER_AUTHOR = "urn:samsyn:submission-set-author"


@dataclass(frozen=True, slots=True)
class ShownList:
    """What a List says beside the metadata: its place here, and the references of what it holds."""

    id: str
    subject: Resource
    updated_at: datetime
    items: tuple[str, ...] = ()
    is_current: bool = True


def write_submission_set(held: SubmissionSetDraft, shown: ShownList) -> Resource:
    """Make the List of a submission set."""
    contained: list[Resource] = []
    source_id = {"url": SOURCE_ID, "valueIdentifier": {"system": URI, "value": f"urn:oid:{held.source_id}"}}
    extensions: list[Resource] = [source_id]
    if held.content_type_code:
        extensions.append(_designation(held.content_type_code))
    for number, text in enumerate(held.intended_recipients, 1):
        if reference := write_recipient(text, f"recipient{number}", contained):
            extensions.append({"url": INTENDED_RECIPIENT, "valueReference": reference})
    authors = write_authors(held.authors, contained)
    extensions += [{"url": FURTHER_AUTHOR, "valueReference": author} for author in authors[1:]]
    elements: Resource = {
        "date": date_time_of_dtm(held.submission_time),
        "source": _write_source(authors, contained),
        "note": [{"text": held.comments}] if held.comments else None,
    }
    return _write_list(SUBMISSION_SET, held, shown, contained, extensions, elements)


def write_folder(held: FolderDraft, last_update_time: str, shown: ShownList) -> Resource:
    """Make the List of a folder."""
    extensions = [_designation(code) for code in held.codes]
    elements: Resource = {
        "date": date_time_of_dtm(last_update_time),
        "note": [{"text": held.comments}] if held.comments else None,
    }
    return _write_list(FOLDER, held, shown, [], extensions, elements)


@dataclass(frozen=True, slots=True)
class ToldList:
    """What the reader of a List is told: whose it is, where its references lead, and its id within the submission."""

    patient_id: str
    symbol: str
    resolve: Resolve
    now: str
    path: str = "List"


def kind_of(sent: Resource, path: str = "List") -> Kind:
    """Tell what a List that was sent is.

    Raises
    ------
    UnheldContent
        Neither submission set nor folder.
    """
    for coding in sent.get("code", {}).get("coding", []):
        if coding.get("system", LIST_TYPES) == LIST_TYPES and coding.get("code") in PROFILES:
            return SUBMISSION_SET if coding["code"] == SUBMISSION_SET else FOLDER
    raise UnheldContent(f"a List is submissionset or folder of {LIST_TYPES}", f"{path}.code")


def read_submission_set(sent: Resource, told: ToldList) -> SubmissionSetDraft:
    """Read the List of a submission set; what metadata requires and is missing is said when it is registered."""
    unique_id = _read_unique_id(sent)
    return SubmissionSetDraft(
        entry_uuid=entry_uuid_of(sent.get("identifier", []), unique_id) or told.symbol,
        unique_id=unique_id,
        source_id=_read_source_id(sent),
        patient_id=told.patient_id,
        submission_time=_read_date(sent, told.path) or told.now,
        content_type_code=next(iter(_read_designations(sent)), None),
        title=str(sent.get("title", "")),
        comments=_read_note(sent),
        authors=_read_sources(sent, told.resolve),
        intended_recipients=tuple(
            filter(
                None,
                (read_recipient(each, told.resolve) for each in _references(sent, INTENDED_RECIPIENT)),
            )
        ),
    )


def read_folder(sent: Resource, told: ToldList) -> FolderDraft:
    """Read the List of a folder."""
    unique_id = _read_unique_id(sent)
    return FolderDraft(
        entry_uuid=entry_uuid_of(sent.get("identifier", []), unique_id) or told.symbol,
        unique_id=unique_id,
        patient_id=told.patient_id,
        codes=_read_designations(sent),
        title=str(sent.get("title", "")),
        comments=_read_note(sent),
    )


def _write_list(
    kind: Kind,
    held: SubmissionSetDraft | FolderDraft,
    shown: ShownList,
    contained: list[Resource],
    extensions: list[Resource],
    elements: Resource,
) -> Resource:
    title = {"title": held.title} if held.title else {}
    optional = {
        "subject": shown.subject,
        **elements,
        "entry": [{"item": {"reference": reference}} for reference in shown.items],
    }
    return {
        "resourceType": "List",
        "id": shown.id,
        "meta": {"lastUpdated": instant(shown.updated_at), "profile": [PROFILES[kind]]},
        **({"contained": contained} if contained else {}),
        **({"extension": extensions} if extensions else {}),
        "identifier": [
            {"use": "usual", **identifier_of_unique_id(held.unique_id)},
            {"use": "official", "system": URI, "value": held.entry_uuid},
        ],
        "status": "current" if shown.is_current else "retired",
        "mode": "working",
        **title,
        "code": {"coding": [{"system": LIST_TYPES, "code": kind}]},
        **{name: value for name, value in optional.items() if value},
    }


def _write_source(authors: Sequence[Resource], contained: Sequence[Resource]) -> Resource:
    """Refer to the first author; an organization, which `source` may not be, by the extension of the profile."""
    if not authors:
        return {}
    key = authors[0]["reference"].removeprefix("#")
    is_organization = any(each["id"] == key and each["resourceType"] == "Organization" for each in contained)
    if is_organization:
        return {"extension": [{"url": AUTHOR_ORGANIZATION, "valueReference": authors[0]}]}
    return dict(authors[0])


def _read_sources(sent: Resource, resolve: Resolve) -> tuple[Author, ...]:
    source = sent.get("source", {})
    references = [source] if {"reference", "identifier", "display"} & source.keys() else []
    references += _references(source, AUTHOR_ORGANIZATION) + _references(sent, FURTHER_AUTHOR)
    authors = (read_author(reference, resolve) for reference in references)
    return tuple(author for author in authors if author != Author())


def _designation(code: Code) -> Resource:
    return {"url": DESIGNATION_TYPE, "valueCodeableConcept": concept_of(code)}


def _read_designations(sent: Resource) -> tuple[Code, ...]:
    concepts = [
        each["valueCodeableConcept"]
        for each in sent.get("extension", [])
        if each.get("url") == DESIGNATION_TYPE and "valueCodeableConcept" in each
    ]
    return codes_of(concepts)


def _read_unique_id(sent: Resource) -> str:
    """Return the unique id of a List: an OID if there is one, else the identifier of usual use."""
    identifiers = sorted(
        sent.get("identifier", []),
        key=lambda each: (
            not str(each.get("value", "")).startswith("urn:oid:"),
            each.get("use") != "usual",
            each.get("use") == "official",
        ),
    )
    return unique_id_of(identifiers[0])[0] if identifiers else ""


def _read_source_id(sent: Resource) -> str:
    for each in sent.get("extension", []):
        if each.get("url") == SOURCE_ID:
            return str(each.get("valueIdentifier", {}).get("value", "")).removeprefix("urn:oid:")
    return ""


def _references(holder: Resource, url: str) -> list[Resource]:
    return [
        each["valueReference"]
        for each in holder.get("extension", [])
        if each.get("url") == url and "valueReference" in each
    ]


def _read_note(sent: Resource) -> str:
    return "\n".join(str(note.get("text", "")) for note in sent.get("note", []))


def _read_date(sent: Resource, path: str) -> str:
    text = sent.get("date")
    try:
        return dtm_of_date_time(text) if text else ""
    except (ValueError, OverflowError) as error:
        raise UnheldContent(f"{str(text)[:40]!r} is no date or time", f"{path}.date") from error
