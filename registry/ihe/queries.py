"""The fourteen stored queries: what each finds, before anything is written.

Standard: IHE ITI TF-2 3.18.4.1.2.3.7
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from django.db.models import Q, QuerySet

from access.actor import Actor
from registry.document_patients import find_patients
from registry.ihe.ebrim_names import ASSOCIATION_TYPES
from registry.ihe.query_parameters import Parameters, QueryRefused, like_pattern
from registry.ihe.query_rows import see_entries, see_holders, see_links, with_codes
from registry.models import Association, DocumentEntry, Folder, ReferenceId, SubmissionSet
from registry.submission_checks import HAS_MEMBER

ENTRY = "$XDSDocumentEntry"
Keyed = TypeVar("Keyed", DocumentEntry, SubmissionSet, Folder)
Authored = TypeVar("Authored", DocumentEntry, SubmissionSet)
_ENTRY_KEYS = (f"{ENTRY}EntryUUID", f"{ENTRY}UniqueId")
_FOLDER_KEYS = ("$XDSFolderEntryUUID", "$XDSFolderUniqueId")
_SET_KEYS = ("$XDSSubmissionSetEntryUUID", "$XDSSubmissionSetUniqueId")
_CODES = {
    "class": "ClassCode",
    "type": "TypeCode",
    "format": "FormatCode",
    "practice_setting": "PracticeSettingCode",
    "facility_type": "HealthcareFacilityTypeCode",
}
_MULTIPLE_CODES = {"event": "EventCodeList", "confidentiality": "ConfidentialityCode"}
_TIMES = {
    "creation_time_from": "CreationTime",
    "service_start_time_from": "ServiceStartTime",
    "service_stop_time_from": "ServiceStopTime",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What a query found and the actor may see; `patient_id` is whose documents were asked for, 0 of nobody."""

    entries: list[DocumentEntry] = field(default_factory=list)
    sets: list[SubmissionSet] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    links: list[Association] = field(default_factory=list)
    patient_id: int = 0

    @property
    def patients(self) -> set[int]:
        """Whose objects these are."""
        rows: list[DocumentEntry | SubmissionSet | Folder] = [*self.entries, *self.sets, *self.folders]
        return {row.patient_id for row in rows}

    @property
    def count(self) -> int:
        """How many objects."""
        return len(self.entries) + len(self.sets) + len(self.folders) + len(self.links)


def find_documents(actor: Actor, asked: Parameters) -> Found:
    """Answer FindDocuments."""
    patient_id = _find_patient(asked, f"{ENTRY}PatientId")
    rows = _narrow_entries(DocumentEntry.objects.filter(patient_id=patient_id), asked)
    return Found(_by_author(see_entries(actor, rows), asked, f"{ENTRY}AuthorPerson"), patient_id=patient_id)


def find_documents_by_reference_id(actor: Actor, asked: Parameters) -> Found:
    """Answer FindDocumentsByReferenceId."""
    patient_id = _find_patient(asked, f"{ENTRY}PatientId")
    rows = _narrow_entries(DocumentEntry.objects.filter(patient_id=patient_id), asked)
    asked.needed_list(f"{ENTRY}ReferenceIdList")
    for values in asked.all_of(f"{ENTRY}ReferenceIdList"):
        references = ReferenceId.objects.filter(entry__patient_id=patient_id)
        if any("%" in value or "_" in value for value in values):
            patterns = [like_pattern(value) for value in values]
            pairs = references.values_list("entry_id", "text")
            keys = {key for key, text in pairs if any(p.fullmatch(text) for p in patterns)}
            rows = rows.filter(pk__in=keys)
        else:
            rows = rows.filter(pk__in=ReferenceId.objects.filter(text__in=values).values("entry_id"))
    return Found(_by_author(see_entries(actor, rows), asked, f"{ENTRY}AuthorPerson"), patient_id=patient_id)


def find_submission_sets(actor: Actor, asked: Parameters) -> Found:
    """Answer FindSubmissionSets."""
    name = "$XDSSubmissionSet"
    patient_id = _find_patient(asked, f"{name}PatientId")
    rows = SubmissionSet.objects.filter(patient_id=patient_id, status__in=asked.statuses(f"{name}Status"))
    if sources := asked.any_of(f"{name}SourceId"):
        rows = rows.filter(source_id__in=sources)
    rows = rows.filter(_between("submission_time_from", asked, f"{name}SubmissionTime"))
    held = list(rows.order_by("pk"))
    if codes := asked.codes(f"{name}ContentType"):
        held = [row for row in held if _pair(row.content_type_code) in codes]
    held = _by_author(held, asked, f"{name}AuthorPerson")
    return Found(sets=see_holders(actor, held), patient_id=patient_id)


def find_folders(actor: Actor, asked: Parameters) -> Found:
    """Answer FindFolders."""
    patient_id = _find_patient(asked, "$XDSFolderPatientId")
    rows = Folder.objects.filter(patient_id=patient_id, status__in=asked.statuses("$XDSFolderStatus"))
    rows = rows.filter(_between("last_update_time", asked, "$XDSFolderLastUpdateTime"))
    held = list(rows.order_by("pk"))
    for codes in asked.code_sets("$XDSFolderCodeList"):
        held = [row for row in held if any(_pair(code) in codes for code in row.codes)]
    return Found(folders=see_holders(actor, held), patient_id=patient_id)


def get_all(actor: Actor, asked: Parameters) -> Found:
    """Answer GetAll."""
    patient_id = _find_patient(asked, "$patientId")
    rows = DocumentEntry.objects.filter(
        patient_id=patient_id,
        status__in=asked.statuses(f"{ENTRY}Status"),
        object_type__in=asked.object_types(),
    )
    entries = see_entries(actor, _by_codes(rows, asked))
    sets = SubmissionSet.objects.filter(
        patient_id=patient_id, status__in=asked.statuses("$XDSSubmissionSetStatus")
    )
    folders = Folder.objects.filter(patient_id=patient_id, status__in=asked.statuses("$XDSFolderStatus"))
    seen_sets = see_holders(actor, list(sets.order_by("pk")))
    seen_folders = see_holders(actor, list(folders.order_by("pk")))
    uuids = _uuids(entries, seen_sets, seen_folders)
    return Found(entries, seen_sets, seen_folders, _links_between(uuids), patient_id)


def get_documents(actor: Actor, asked: Parameters) -> Found:
    """Answer GetDocuments."""
    return Found(see_entries(actor, _keyed(DocumentEntry.objects.all(), asked, _ENTRY_KEYS)))


def get_folders(actor: Actor, asked: Parameters) -> Found:
    """Answer GetFolders."""
    rows = _keyed(Folder.objects.all(), asked, _FOLDER_KEYS)
    return Found(folders=see_holders(actor, list(rows.order_by("pk"))))


def get_associations(actor: Actor, asked: Parameters) -> Found:
    """Answer GetAssociations."""
    return Found(links=see_links(actor, _touching(_lower(asked.needed_list("$uuid")))))


def get_documents_and_associations(actor: Actor, asked: Parameters) -> Found:
    """Answer GetDocumentsAndAssociations."""
    entries = get_documents(actor, asked).entries
    return Found(entries, links=see_links(actor, _touching([row.entry_uuid for row in entries])))


def get_submission_sets(actor: Actor, asked: Parameters) -> Found:
    """Answer GetSubmissionSets."""
    uuids = _lower(asked.needed_list("$uuid"))
    links = Association.objects.filter(kind=HAS_MEMBER, target_uuid__in=uuids).order_by("pk")
    sets = list(
        SubmissionSet.objects.filter(entry_uuid__in=links.values("source_uuid")).order_by("pk").distinct()
    )
    known = {row.entry_uuid for row in sets}
    seen = see_links(actor, [link for link in links if link.source_uuid in known])
    shown = {link.source_uuid for link in seen}
    return Found(sets=[row for row in sets if row.entry_uuid in shown], links=seen)


def get_submission_set_and_contents(actor: Actor, asked: Parameters) -> Found:
    """Answer GetSubmissionSetAndContents."""
    _require_one(asked, _SET_KEYS)
    rows = _keyed(SubmissionSet.objects.all(), asked, _SET_KEYS)
    sets = see_holders(actor, list(rows))
    members = _members(sets)
    entries = see_entries(actor, _by_contents(DocumentEntry.objects.filter(entry_uuid__in=members), asked))
    folders = see_holders(actor, list(Folder.objects.filter(entry_uuid__in=members).order_by("pk")))
    uuids = _uuids(entries, sets, folders)
    inner = [link for link in _links_between(uuids) if link.submission_set_id in {row.pk for row in sets}]
    every = uuids | {link.entry_uuid for link in inner}
    return Found(entries, sets, folders, _links_between(every) if sets else [])


def get_folder_and_contents(actor: Actor, asked: Parameters) -> Found:
    """Answer GetFolderAndContents."""
    _require_one(asked, _FOLDER_KEYS)
    folders = see_holders(actor, list(_keyed(Folder.objects.all(), asked, _FOLDER_KEYS)))
    members = DocumentEntry.objects.filter(entry_uuid__in=_members(folders))
    entries = see_entries(actor, _by_contents(members, asked))
    uuids = _uuids(entries, (), folders)
    links = [link for link in _links_between(uuids) if link.kind == HAS_MEMBER]
    return Found(entries, folders=folders, links=links)


def get_folders_for_document(actor: Actor, asked: Parameters) -> Found:
    """Answer GetFoldersForDocument."""
    _require_one(asked, _ENTRY_KEYS)
    entries = get_documents(actor, asked).entries
    links = Association.objects.filter(kind=HAS_MEMBER, target_uuid__in=[row.entry_uuid for row in entries])
    rows = Folder.objects.filter(entry_uuid__in=links.values("source_uuid")).order_by("pk")
    return Found(folders=see_holders(actor, list(rows)))


def get_related_documents(actor: Actor, asked: Parameters) -> Found:
    """Answer GetRelatedDocuments: nothing at all where no association of the kinds is found."""
    _require_one(asked, _ENTRY_KEYS)
    asked_types = asked.needed_list("$AssociationTypes")
    kinds = [kind for kind, url in ASSOCIATION_TYPES.items() if url in asked_types]
    entries = get_documents(actor, asked).entries
    uuids = [row.entry_uuid for row in entries]
    links = see_links(
        actor, [link for link in _touching(uuids) if link.kind in kinds and link.kind != HAS_MEMBER]
    )
    ends = {uuid for link in links for uuid in (link.source_uuid, link.target_uuid)}
    rows = DocumentEntry.objects.filter(entry_uuid__in=ends, object_type__in=asked.object_types())
    found = see_entries(actor, rows)
    shown = {row.entry_uuid for row in found}
    links = [link for link in links if {link.source_uuid, link.target_uuid} <= shown]
    kept = {uuid for link in links for uuid in (link.source_uuid, link.target_uuid)}
    return Found([row for row in found if row.entry_uuid in kept], links=links)


Answer = Callable[[Actor, Parameters], Found]
QUERIES: dict[str, Answer] = {
    "14d4debf-8f97-4251-9a74-a90016b0af0d": find_documents,
    "f26abbcb-ac74-4422-8a30-edb644bbc1a9": find_submission_sets,
    "958f3006-baad-4929-a4de-ff1114824431": find_folders,
    "10b545ea-725c-446d-9b95-8aeb444eddf3": get_all,
    "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4": get_documents,
    "5737b14c-8a1a-4539-b659-e03a34a5e1e4": get_folders,
    "a7ae438b-4bc2-4642-93e9-be891f7bb155": get_associations,
    "bab9529a-4a10-40b3-a01f-f68a615d247a": get_documents_and_associations,
    "51224314-5390-4169-9b91-b1980040715a": get_submission_sets,
    "e8e3cb2c-e39c-46b9-99e4-c12f57260b83": get_submission_set_and_contents,
    "b909a503-523d-4517-8acf-8e5834dfc4c7": get_folder_and_contents,
    "10cae35a-c7f9-4cf5-b61e-fc3278ffb578": get_folders_for_document,
    "d90e5407-b356-4d91-a89f-873917b4b0e6": get_related_documents,
    "12941a89-e02e-4be5-967c-ce4bfc8fe492": find_documents_by_reference_id,
}


def _find_patient(asked: Parameters, name: str) -> int:
    """Return whose objects are asked for; 0 is nobody, of whom nothing is found."""
    text = asked.needed(name)
    return find_patients([text]).get(text, 0)


def _narrow_entries(rows: QuerySet[DocumentEntry], asked: Parameters) -> QuerySet[DocumentEntry]:
    rows = rows.filter(status__in=asked.statuses(f"{ENTRY}Status"), object_type__in=asked.object_types())
    for column, name in _TIMES.items():
        wanted = _between(column, asked, f"{ENTRY}{name}")
        if wanted:
            free = Q(object_type="on_demand") if column == "creation_time_from" else Q(**{column: ""})
            rows = rows.filter(wanted | free)
    return _by_codes(rows, asked)


def _by_codes(rows: QuerySet[DocumentEntry], asked: Parameters) -> QuerySet[DocumentEntry]:
    for kind, name in _CODES.items():
        if codes := asked.codes(f"{ENTRY}{name}"):
            rows = with_codes(rows, kind, codes)
    for kind, name in _MULTIPLE_CODES.items():
        for codes in asked.code_sets(f"{ENTRY}{name}"):
            rows = with_codes(rows, kind, codes)
    return rows


def _by_contents(rows: QuerySet[DocumentEntry], asked: Parameters) -> QuerySet[DocumentEntry]:
    return _by_codes(rows.filter(object_type__in=asked.object_types()), asked)


def _between(column: str, asked: Parameters, name: str) -> Q:
    wanted = Q()
    if start := asked.time(f"{name}From"):
        wanted &= Q(**{f"{column}__gte": start})
    if stop := asked.time(f"{name}To"):
        wanted &= Q(**{f"{column}__lt": stop})
    return wanted


def _by_author(rows: list[Authored], asked: Parameters, name: str) -> list[Authored]:
    patterns = [like_pattern(text) for text in asked.any_of(name)]
    if not patterns:
        return rows
    return [
        row for row in rows if any(p.fullmatch(author["person"]) for author in row.authors for p in patterns)
    ]


def _keyed(rows: QuerySet[Keyed], asked: Parameters, keys: tuple[str, str]) -> QuerySet[Keyed]:
    name, values = asked.either(*keys)
    if name == keys[0]:
        return rows.filter(entry_uuid__in=_lower(values))
    return rows.filter(unique_id__in=values)


def _require_one(asked: Parameters, keys: tuple[str, str]) -> None:
    name, values = asked.either(*keys)
    if len(values) > 1:
        raise QueryRefused("XDSStoredQueryParamNumber", f"{name} has {len(values)} values, not one")


def _pair(code: Mapping[str, str]) -> tuple[str, str]:
    return code.get("code", ""), code.get("scheme", "")


def _uuids(
    entries: Iterable[DocumentEntry], sets: Iterable[SubmissionSet], folders: Iterable[Folder]
) -> set[str]:
    found = {row.entry_uuid for row in entries} | {row.entry_uuid for row in sets}
    return found | {row.entry_uuid for row in folders}


def _lower(uuids: Iterable[str]) -> list[str]:
    return [uuid.lower() for uuid in uuids]


def _members(holders: Iterable[SubmissionSet | Folder]) -> list[str]:
    uuids = [row.entry_uuid for row in holders]
    rows = Association.objects.filter(kind=HAS_MEMBER, source_uuid__in=uuids)
    return list(rows.values_list("target_uuid", flat=True))


def _touching(uuids: Iterable[str]) -> list[Association]:
    held = list(uuids)
    rows = Association.objects.filter(Q(source_uuid__in=held) | Q(target_uuid__in=held))
    return list(rows.order_by("pk"))


def _links_between(uuids: set[str]) -> list[Association]:
    return list(Association.objects.filter(source_uuid__in=uuids, target_uuid__in=uuids).order_by("pk"))
