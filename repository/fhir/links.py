"""How the documents, folders and the submission set of a Bundle are related.

Standard: IHE ITI TF-2 3.65.4.1.2, TF-3 4.2.2
"""

from registry.fhir.documents.identifiers import unique_id_of, uuid_of_id
from registry.fhir.errors import UnheldContent
from registry.fhir.structure import Resource
from registry.models import Association, DocumentEntry
from registry.models.document import APPROVED
from registry.submission import AssociationDraft
from repository.fhir.reading import Reading

HAS_MEMBER = "HasMember"
KINDS = {"replaces": "RPLC", "transforms": "XFRM", "appends": "APND", "signs": "signs"}


def link(reading: Reading) -> None:
    """Relate what was read.

    Raises
    ------
    UnheldContent
        A relation of a kind that there is not, or something becomes superseded that nothing replaces.
    """
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
