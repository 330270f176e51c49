"""What can be wrong with a submission by itself, before anybody asks the registry what it knows.

All errors are collected. An object is named by its kind and its id, an attribute by its name in the profile.

Standard: IHE ITI TF-2 3.42.4.1.3, TF-3 4.2.3, table 4.3.1-1
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from registry import metadata_types as types
from registry.dtm import first_second
from registry.submission import (
    AssociationDraft,
    Author,
    Code,
    EntryDraft,
    FolderDraft,
    RegistryError,
    Submission,
    SubmissionSetDraft,
)

Held: TypeAlias = EntryDraft | SubmissionSetDraft | FolderDraft
Draft: TypeAlias = Held | AssociationDraft
Fault: TypeAlias = Callable[[str], str]

METADATA = "XDSRegistryMetadataError"
HAS_MEMBER = "HasMember"
REPLACING = frozenset({"RPLC", "XFRM_RPLC"})
RELATIONSHIPS = REPLACING | {"APND", "XFRM", "signs", "IsSnapshotOf"}
TARGET_IN_REGISTRY = REPLACING | {"IsSnapshotOf"}
ORIGINAL, REFERENCE = "Original", "Reference"
STABLE, ON_DEMAND = "stable", "on_demand"
MAX_CODE_CHARACTERS = 128
MAX_SYMBOL_CHARACTERS = 128

_MINIMAL = ("unique_id", "patient_id", "mime_type")
_REQUIRED = (
    *_MINIMAL,
    "class_code",
    "type_code",
    "format_code",
    "practice_setting_code",
    "healthcare_facility_type_code",
    "confidentiality_codes",
    "language_code",
    "source_patient_id",
    "repository_unique_id",
)
_REQUIRED_OF_STABLE = ("creation_time", "hash", "size")
_NOT_OF_ON_DEMAND = ("hash", "size", "creation_time", "legal_authenticator")
_ENTRY_FAULTS: dict[str, Fault] = {
    "unique_id": types.unique_id_fault,
    "patient_id": types.cx_fault,
    "source_patient_id": types.cx_fault,
    "mime_type": types.mime_fault,
    "language_code": types.language_fault,
    "creation_time": types.dtm_fault,
    "service_start_time": types.dtm_fault,
    "service_stop_time": types.dtm_fault,
    "hash": types.hash_fault,
    "repository_unique_id": types.oid_fault,
    "home_community_id": types.home_fault,
    "legal_authenticator": types.person_fault,
}
_ENTRY_LIST_FAULTS: dict[str, Fault] = {
    "references": types.reference_fault,
    "source_patient_info": types.patient_info_fault,
}
_SET_FAULTS: dict[str, Fault] = {
    "unique_id": types.set_id_fault,
    "source_id": types.oid_fault,
    "patient_id": types.cx_fault,
    "submission_time": types.dtm_fault,
    "home_community_id": types.home_fault,
}
_FOLDER_FAULTS: dict[str, Fault] = {
    "unique_id": types.set_id_fault,
    "patient_id": types.cx_fault,
    "home_community_id": types.home_fault,
}
_ENTRY_CODES = (
    "class_code",
    "type_code",
    "format_code",
    "practice_setting_code",
    "healthcare_facility_type_code",
    "event_codes",
    "confidentiality_codes",
)
PROFILE_NAMES = {
    "references": "referenceIdList",
    "event_codes": "eventCodeList",
    "confidentiality_codes": "confidentialityCode",
    "uri": "URI",
    "authors": "author",
    "codes": "codeList",
    "intended_recipients": "intendedRecipient",
}
_KINDS: dict[type, str] = {
    EntryDraft: "DocumentEntry",
    SubmissionSetDraft: "SubmissionSet",
    FolderDraft: "Folder",
    AssociationDraft: "Association",
}


def name_draft(draft: Draft) -> str:
    """Name an object for an error: its kind and the id it was sent with, and what it is known by."""
    known_by = getattr(draft, "unique_id", "")
    return f"{_KINDS[type(draft)]} {draft.entry_uuid}" + (f" ({known_by})" if known_by else "")


def profile_name(field: str) -> str:
    """Return the profile's name of a field: `creation_time` is creationTime."""
    first, *rest = field.split("_")
    return PROFILE_NAMES.get(field) or first + "".join(word.capitalize() for word in rest)


def check_submission(submission: Submission, *, minimal: bool = False) -> list[RegistryError]:
    """Return what is wrong with the objects and ids of a submission; `minimal` asks for fewer attributes."""
    return [
        *_check_ids(submission),
        *_check_attributes(submission, minimal),
        *_check_memberships(submission),
    ]


def check_duplicates(submission: Submission) -> Iterator[RegistryError]:
    """Tell each unique id that comes twice in one submission.

    Standard: IHE ITI TF-3 table 4.2.4.1-2 (XDSRegistryDuplicateUniqueIdInMessage)
    """
    counts = Counter(draft.unique_id for draft in held_drafts(submission) if draft.unique_id)
    for unique_id, count in counts.items():
        if count > 1:
            yield RegistryError(
                "XDSRegistryDuplicateUniqueIdInMessage", f"{unique_id} is the uniqueId of {count} objects"
            )


def check_service_times(submission: Submission) -> Iterator[RegistryError]:
    """Tell entries whose service stopped before it started."""
    for entry in submission.entries:
        start, stop = entry.service_start_time, entry.service_stop_time
        if start and stop and not types.dtm_fault(start) and not types.dtm_fault(stop):
            length = min(len(start), len(stop))
            if first_second(stop[:length]) < first_second(start[:length]):
                yield _error(entry, f"serviceStopTime {stop} is before serviceStartTime {start}")


def _check_ids(submission: Submission) -> Iterator[RegistryError]:
    count = len(submission.submission_sets)
    if count != 1:
        names = ", ".join(draft.entry_uuid for draft in submission.submission_sets)
        yield RegistryError(METADATA, f"{count} submission sets, not one" + (f": {names}" if names else ""))
    drafts = all_drafts(submission)
    for draft in drafts:
        if not draft.entry_uuid:
            yield _error(draft, "the id is missing")
        elif draft.entry_uuid.lower().startswith(types.UUID_PREFIX) and not types.is_uuid(draft.entry_uuid):
            yield _error(draft, "the id is no UUID in lower-case hexadecimal digits")
        elif len(draft.entry_uuid) > MAX_SYMBOL_CHARACTERS:
            yield _error(draft, f"the id is longer than {MAX_SYMBOL_CHARACTERS} characters")
    for symbol, count in Counter(draft.entry_uuid for draft in drafts if draft.entry_uuid).items():
        if count > 1:
            yield RegistryError(METADATA, f"{symbol} is the id of {count} objects")


def all_drafts(submission: Submission) -> list[Draft]:
    """Return all objects of a submission, the submission set first."""
    return [
        *submission.submission_sets,
        *submission.entries,
        *submission.folders,
        *submission.associations,
    ]


def held_drafts(submission: Submission) -> list[Held]:
    """Return all that has a patient and a unique id, the submission set first."""
    return [*submission.submission_sets, *submission.entries, *submission.folders]


def _check_attributes(submission: Submission, minimal: bool) -> Iterator[RegistryError]:
    for submission_set in submission.submission_sets:
        yield from _check_set(submission_set, minimal)
    for entry in submission.entries:
        yield from _check_entry(entry, minimal)
    for folder in submission.folders:
        yield from _check_folder(folder, minimal)
    for association in submission.associations:
        yield from _check_association(association)


def _check_set(draft: SubmissionSetDraft, minimal: bool) -> Iterator[RegistryError]:
    required = ("unique_id", "source_id", "patient_id", "submission_time")
    yield from _check_required(draft, required if minimal else (*required, "content_type_code"))
    yield from _check_types(draft, _SET_FAULTS)
    yield from _check_list(draft, "intended_recipients", types.recipient_fault)
    yield from _check_codes(draft, ("content_type_code",))
    yield from _check_authors(draft, draft.authors)
    yield from _check_lengths(draft)


def _check_entry(draft: EntryDraft, minimal: bool) -> Iterator[RegistryError]:
    stable = draft.object_type == STABLE
    if draft.object_type not in (STABLE, ON_DEMAND):
        yield _error(draft, f"objectType {draft.object_type} is unknown")
    required = _MINIMAL if minimal else _REQUIRED
    yield from _check_required(
        draft, (*required, *_REQUIRED_OF_STABLE) if stable and not minimal else required
    )
    if draft.object_type == ON_DEMAND:
        for field in _NOT_OF_ON_DEMAND:
            if getattr(draft, field) not in ("", None):
                yield _error(draft, f"{profile_name(field)} is not for an on-demand entry")
    yield from _check_types(draft, _ENTRY_FAULTS)
    for field, fault in _ENTRY_LIST_FAULTS.items():
        yield from _check_list(draft, field, fault)
    if draft.size is not None and not 0 <= draft.size < 2**63:
        yield _error(draft, f"size {draft.size} is no number of bytes")
    if types.is_uuid(draft.logical_uuid) and draft.logical_uuid != draft.entry_uuid:
        yield _error(draft, "logicalID is another than the id: a new version is an update, no registration")
    yield from _check_codes(draft, _ENTRY_CODES)
    yield from _check_authors(draft, draft.authors)
    yield from _check_lengths(draft)


def _check_folder(draft: FolderDraft, minimal: bool) -> Iterator[RegistryError]:
    required = ("unique_id", "patient_id")
    yield from _check_required(draft, required if minimal else (*required, "title", "codes"))
    yield from _check_types(draft, _FOLDER_FAULTS)
    yield from _check_codes(draft, ("codes",))
    yield from _check_lengths(draft)


def _check_association(draft: AssociationDraft) -> Iterator[RegistryError]:
    if draft.kind not in RELATIONSHIPS and draft.kind != HAS_MEMBER:
        yield _error(draft, f"associationType {draft.kind or 'without name'} cannot be registered")
    for field, name in (("source", "sourceObject"), ("target", "targetObject")):
        if not getattr(draft, field):
            yield _error(draft, f"{name} is missing")
        elif len(getattr(draft, field)) > MAX_SYMBOL_CHARACTERS:
            yield _error(draft, f"{name} is longer than {MAX_SYMBOL_CHARACTERS} characters")
    if draft.source and draft.source == draft.target:
        yield _error(draft, "sourceObject and targetObject are the same object")
    if draft.documentation is not None:
        yield from _check_codes(draft, ("documentation",))


def _check_memberships(submission: Submission) -> Iterator[RegistryError]:
    """Every entry and folder is a member of the submission set; an entry says whether it is new or known."""
    if len(submission.submission_sets) != 1:
        return
    [submission_set] = submission.submission_sets
    members = [
        link
        for link in submission.associations
        if link.kind == HAS_MEMBER and link.source == submission_set.entry_uuid
    ]
    targets = {link.target for link in members}
    entries = {entry.entry_uuid for entry in submission.entries}
    drafts: list[EntryDraft | FolderDraft] = [*submission.entries, *submission.folders]
    for draft in drafts:
        if draft.entry_uuid and draft.entry_uuid not in targets:
            yield _error(draft, "no HasMember association links the submission set to it")
    others = {draft.entry_uuid for draft in all_drafts(submission)} - entries
    for link in members:
        if link.target not in others:
            yield from _check_set_status(link, new=link.target in entries)


def _check_set_status(link: AssociationDraft, *, new: bool) -> Iterator[RegistryError]:
    expected = ORIGINAL if new else REFERENCE
    if not link.submission_set_status:
        yield _error(link, "SubmissionSetStatus is missing")
    elif link.submission_set_status not in (ORIGINAL, REFERENCE):
        yield _error(link, f"SubmissionSetStatus {link.submission_set_status} is unknown")
    elif new and link.submission_set_status != expected:
        yield _error(
            link, f"SubmissionSetStatus is {link.submission_set_status}, but the entry is submitted here"
        )


def _check_required(draft: Draft, fields: Iterable[str]) -> Iterator[RegistryError]:
    for field in fields:
        if getattr(draft, field) in ("", None, ()):
            yield _error(draft, f"{profile_name(field)} is missing")


def _check_types(draft: Draft, faults: dict[str, Fault]) -> Iterator[RegistryError]:
    for field, fault in faults.items():
        text = getattr(draft, field)
        found = fault(text) if text else ""
        if found:
            yield _error(draft, f"{profile_name(field)} {text[:100]!r} {found}")


def _check_list(draft: Draft, field: str, fault: Fault) -> Iterator[RegistryError]:
    for text in getattr(draft, field):
        found = fault(text)
        if found:
            yield _error(draft, f"{profile_name(field)} {text[:100]!r} {found}")


def _check_codes(draft: Draft, fields: Iterable[str]) -> Iterator[RegistryError]:
    for field in fields:
        for code in codes_of(draft, field):
            if not code.code or not code.scheme:
                missing = "code" if not code.code else "codingScheme"
                yield _error(draft, f"{profile_name(field)} has no {missing}")
            elif max(len(code.code), len(code.scheme)) > MAX_CODE_CHARACTERS:
                yield _error(draft, f"{profile_name(field)} is longer than {MAX_CODE_CHARACTERS} characters")


def codes_of(draft: Draft, field: str) -> tuple[Code, ...]:
    """Return the codes of a field, whether it holds one or several."""
    value = getattr(draft, field)
    if value is None:
        return ()
    return (value,) if isinstance(value, Code) else value


def _check_authors(draft: Draft, authors: tuple[Author, ...]) -> Iterator[RegistryError]:
    for author in authors:
        if not any(
            (
                author.person,
                author.institutions,
                author.roles,
                author.specialties,
                author.telecommunications,
            )
        ):
            yield _error(draft, "author says nobody")
        if author.person and types.person_fault(author.person):
            yield _error(draft, f"authorPerson {author.person[:100]!r} {types.person_fault(author.person)}")
        for institution in author.institutions:
            if types.organisation_fault(institution):
                fault = types.organisation_fault(institution)
                yield _error(draft, f"authorInstitution {institution[:100]!r} {fault}")


def _check_lengths(draft: EntryDraft | SubmissionSetDraft | FolderDraft) -> Iterator[RegistryError]:
    if len(draft.title) > types.MAX_TITLE_CHARACTERS:
        yield _error(draft, f"title is longer than {types.MAX_TITLE_CHARACTERS} characters")
    for name, text in _slot_values(draft):
        if len(text) > types.MAX_SLOT_CHARACTERS:
            yield _error(draft, f"{name} has a value longer than {types.MAX_SLOT_CHARACTERS} characters")


def _slot_values(draft: EntryDraft | SubmissionSetDraft | FolderDraft) -> Iterator[tuple[str, str]]:
    for name, values in draft.extra.items():
        yield from ((name[:80], text) for text in (name, *values))
    for field in ("references", "source_patient_info", "intended_recipients"):
        yield from ((profile_name(field), text) for text in getattr(draft, field, ()))
    for field in (
        "legal_authenticator",
        "source_patient_id",
        "patient_id",
        "uri",
        "language_code",
        "mime_type",
    ):
        yield profile_name(field), getattr(draft, field, "")
    for author in getattr(draft, "authors", ()):
        texts = (author.person, *author.institutions, *author.roles, *author.specialties)
        yield from (("author", text) for text in (*texts, *author.telecommunications))


def _error(draft: Draft, what: str) -> RegistryError:
    return RegistryError(METADATA, f"{name_draft(draft)}: {what}")
