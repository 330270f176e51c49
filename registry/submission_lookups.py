"""What can be wrong with a submission beside what the registry knows: patients, ids, what is referred to.

Standard: IHE ITI TF-2 3.42.4.1.3
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from access.models import Department
from registry.affinity import affinity
from registry.document_patients import find_patients, lock_patients
from registry.metadata_types import cx_fault, is_uuid
from registry.models import Association, DocumentEntry, Folder, SubmissionSet
from registry.models.document import APPROVED
from registry.submission import AssociationDraft, EntryDraft, FolderDraft, RegistryError, Submission
from registry.submission_checks import (
    HAS_MEMBER,
    METADATA,
    ON_DEMAND,
    REPLACING,
    STABLE,
    TARGET_IN_REGISTRY,
    all_drafts,
    codes_of,
    held_drafts,
    name_draft,
    profile_name,
)

UNRESOLVED = "UnresolvedReferenceException"
_CODE_LISTS = {
    "class_code": "class_code",
    "type_code": "type_code",
    "format_code": "format_code",
    "practice_setting_code": "practice_setting_code",
    "healthcare_facility_type_code": "healthcare_facility_type_code",
    "event_codes": "event_code",
    "confidentiality_codes": "confidentiality_code",
    "content_type_code": "content_type_code",
    "codes": "folder_code",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry holds of all that a submission names; patients by CX text, the rest by UUID."""

    patients: Mapping[str, int]
    entries: Mapping[str, DocumentEntry]
    folders: Mapping[str, Folder]
    submission_sets: Mapping[str, SubmissionSet]
    associations: Mapping[str, Association]

    def holds(self, uuid: str) -> bool:
        """Tell whether an object with this UUID is known."""
        return any(
            uuid in rows for rows in (self.entries, self.folders, self.submission_sets, self.associations)
        )


def look_up(submission: Submission) -> Known:
    """Read what a submission is checked against, with its patients locked; call it in a transaction."""
    texts = [draft.patient_id for draft in held_drafts(submission) if not cx_fault(draft.patient_id)]
    lock_patients(find_patients(texts).values())
    uuids = {draft.entry_uuid for draft in all_drafts(submission)}
    for link in submission.associations:
        uuids |= {link.source, link.target}
    wanted = [uuid for uuid in uuids if is_uuid(uuid)]
    entries = DocumentEntry.objects.select_related("department__unit").filter(entry_uuid__in=wanted)
    return Known(
        find_patients(texts),  # again: before the lock a merge may have been on its way
        {row.entry_uuid: row for row in entries},
        {
            row.entry_uuid: row
            for row in Folder.objects.select_related("department__unit").filter(entry_uuid__in=wanted)
        },
        {row.entry_uuid: row for row in SubmissionSet.objects.filter(entry_uuid__in=wanted)},
        {row.entry_uuid: row for row in Association.objects.filter(entry_uuid__in=wanted)},
    )


def check_ids(submission: Submission, known: Known) -> Iterator[RegistryError]:
    """Tell references that lead nowhere, and ids that another object of the registry has."""
    sent = {draft.entry_uuid for draft in all_drafts(submission)}
    for draft in all_drafts(submission):
        if known.holds(draft.entry_uuid):
            yield RegistryError(METADATA, f"{name_draft(draft)}: the id is another object's")
    for link in submission.associations:
        for uuid in (link.source, link.target):
            if uuid and uuid not in sent and not known.holds(uuid):
                yield RegistryError(UNRESOLVED, f"{name_draft(link)}: {uuid} is not known")


def check_code_lists(submission: Submission) -> Iterator[RegistryError]:
    """Tell values that a closed list of the affinity domain does not have."""
    lists = affinity().code_lists
    for draft in held_drafts(submission):
        for field, name in _CODE_LISTS.items():
            for code in codes_of(draft, field) if hasattr(draft, field) else ():
                if code.code and code.scheme and not getattr(lists, name).takes(code.code, code.scheme):
                    text = f"{profile_name(field)} {code.code}^^{code.scheme} is not in the affinity domain's list"
                    yield RegistryError(METADATA, f"{name_draft(draft)}: {text}")
    for entry in submission.entries:
        for field in ("mime_type", "language_code"):
            value = getattr(entry, field)
            if value and not getattr(lists, field).takes(value):
                text = f"{profile_name(field)} {value} is not in the affinity domain's list"
                yield RegistryError(METADATA, f"{name_draft(entry)}: {text}")
    for submission_set in submission.submission_sets:
        if submission_set.source_id and not affinity().takes_source(submission_set.source_id):
            text = f"sourceId {submission_set.source_id} is no source of the affinity domain"
            yield RegistryError(METADATA, f"{name_draft(submission_set)}: {text}")


def check_patients(submission: Submission, known: Known) -> Iterator[RegistryError]:
    """Tell patients whom no feed made known, and objects that are another's than the submission set."""
    held = held_drafts(submission)
    for text in dict.fromkeys(draft.patient_id for draft in held if not cx_fault(draft.patient_id)):
        if text not in known.patients:
            yield RegistryError("XDSUnknownPatientId", f"{text} is not known")
    if not submission.submission_sets:
        return
    expected = submission.submission_sets[0].patient_id
    for draft in held:
        is_same = draft.patient_id == expected or _are_one(
            known.patients.get(draft.patient_id), known.patients.get(expected)
        )
        if draft.patient_id and not is_same:
            text = f"patientId {draft.patient_id} is not that of the submission set, {expected}"
            yield RegistryError("XDSPatientIdDoesNotMatch", f"{name_draft(draft)}: {text}")
    yield from _check_referred_patients(submission, known, known.patients.get(expected))


def _check_referred_patients(
    submission: Submission, known: Known, patient_id: int | None
) -> Iterator[RegistryError]:
    for link in submission.associations:
        for uuid in (link.source, link.target):
            row = known.entries.get(uuid) or known.folders.get(uuid)
            if row is not None and patient_id is not None and row.patient_id != patient_id:
                text = f"{uuid} is not about the patient of the submission set"
                yield RegistryError("XDSPatientIdDoesNotMatch", f"{name_draft(link)}: {text}")


def _are_one(one: int | None, other: int | None) -> bool:
    return one is not None and one == other


def check_unique_ids(submission: Submission) -> Iterator[RegistryError]:
    """Tell unique ids that are taken, and documents that are known with other bytes."""
    entry_ids = {entry.unique_id: entry for entry in submission.entries if entry.unique_id}
    set_ids = {draft.unique_id for draft in submission.submission_sets}
    set_ids = (set_ids | {draft.unique_id for draft in submission.folders}) - {""}
    every = list(set_ids | set(entry_ids))
    sets = set(SubmissionSet.objects.filter(unique_id__in=every).values_list("unique_id", flat=True))
    sets |= set(Folder.objects.filter(unique_id__in=every).values_list("unique_id", flat=True))
    rows = list(DocumentEntry.objects.filter(unique_id__in=every).order_by("pk"))
    taken = sets | ({row.unique_id for row in rows} & set_ids)
    for unique_id in sorted(taken):
        yield RegistryError("XDSDuplicateUniqueIdInRegistry", f"the uniqueId {unique_id} is in use")
    for row in {row.unique_id: row for row in rows if row.object_type == STABLE}.values():
        if row.unique_id in entry_ids:
            yield from _check_same_bytes(entry_ids[row.unique_id], row)


def _check_same_bytes(draft: EntryDraft, row: DocumentEntry) -> Iterator[RegistryError]:
    if draft.hash and row.hash and draft.hash.lower() != row.hash.lower():
        text = f"the document {row.unique_id} is registered with another hash"
        yield RegistryError("XDSNonIdenticalHash", f"{name_draft(draft)}: {text}")
    if draft.size is not None and row.size is not None and draft.size != row.size:
        text = f"the document {row.unique_id} is registered with another size"
        yield RegistryError("XDSNonIdenticalSize", f"{name_draft(draft)}: {text}")


def check_links(submission: Submission, known: Known, department_id: int | None) -> Iterator[RegistryError]:
    """Tell associations whose ends are not what their kind asks for."""
    drafts = {draft.entry_uuid: draft for draft in all_drafts(submission)}
    provider_id = _provider_of(department_id)
    for link in submission.associations:
        if link.kind == HAS_MEMBER:
            yield from _check_membership(link, drafts, known)
        else:
            yield from _check_relationship(link, drafts, known, provider_id)


def _check_membership(
    link: AssociationDraft, drafts: Mapping[str, object], known: Known
) -> Iterator[RegistryError]:
    if link.source in known.submission_sets:
        yield RegistryError(METADATA, f"{name_draft(link)}: the submission set {link.source} is closed")
    elif isinstance(drafts.get(link.source), EntryDraft | AssociationDraft) or link.source in known.entries:
        yield RegistryError(METADATA, f"{name_draft(link)}: {link.source} cannot have members")
    elif link.source in known.folders or isinstance(drafts.get(link.source), FolderDraft):
        is_entry = isinstance(drafts.get(link.target), EntryDraft) or link.target in known.entries
        if not is_entry and (link.target in drafts or known.holds(link.target)):
            yield RegistryError(METADATA, f"{name_draft(link)}: {link.target} is no document entry")


def _check_relationship(
    link: AssociationDraft, drafts: Mapping[str, object], known: Known, provider_id: int | None
) -> Iterator[RegistryError]:
    name = name_draft(link)
    is_known = link.source in drafts or known.holds(link.source)
    if is_known and not isinstance(drafts.get(link.source), EntryDraft):
        text = f"{name}: the source {link.source} is no document entry of this submission"
        yield RegistryError(UNRESOLVED, text)
    target = known.entries.get(link.target)
    if target is None:
        if link.kind in TARGET_IN_REGISTRY and link.target in drafts:
            yield RegistryError(UNRESOLVED, f"{name}: the target {link.target} is not registered yet")
        elif not isinstance(drafts.get(link.target), EntryDraft) and (
            link.target in drafts or known.holds(link.target)
        ):
            yield RegistryError(UNRESOLVED, f"{name}: the target {link.target} is no document entry")
        return
    if link.kind in REPLACING and not _may_replace(target, provider_id):
        yield RegistryError(UNRESOLVED, f"{name}: {link.target} is not known")
    elif target.status != APPROVED:
        yield deprecated_target(link)
    elif link.kind == "IsSnapshotOf" and target.object_type != ON_DEMAND:
        yield RegistryError(METADATA, f"{name}: the target {link.target} is no on-demand entry")


def deprecated_target(link: AssociationDraft) -> RegistryError:
    """Make the error for a relationship to an entry that is deprecated."""
    return RegistryError(
        "XDSRegistryDeprecatedDocumentError", f"{name_draft(link)}: the target {link.target} is deprecated"
    )


def _may_replace(target: DocumentEntry, provider_id: int | None) -> bool:
    """Let nobody take back the document of another care provider: what they may not replace they do not know."""
    if provider_id is None or target.department is None:
        return True
    return target.department.unit.provider_id == provider_id


def _provider_of(department_id: int | None) -> int | None:
    if department_id is None:
        return None
    return Department.objects.select_related("unit").get(pk=department_id).unit.provider_id
