"""DocumentReference: the documents of a patient, as MHD finds them (ITI-67).

The id is the UUID of the entry. The bytes are the Binary of the same id.

Standard: IHE ITI TF-2 3.67 (ITI-67), IHE RAD MADO, FHIR R4 DocumentReference
"""

from access import audit
from access.database import write_transaction
from registry.fhir.documents.entry_form import MINIMAL
from registry.fhir.documents.matching import document_condition, fits_document, names_match
from registry.fhir.documents.rows import find_document, make_document_references, select_documents
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.errors import InvalidParameter
from registry.fhir.parameters import Query, SearchParameter
from registry.fhir.patients import PATIENT_PARAMETERS, find_patient_ids
from registry.fhir.resources.included import include_patients
from registry.fhir.scan import require_read, scan
from registry.fhir.structure import Resource
from registry.models import DocumentEntry

_STRING = frozenset({"exact", "contains"})
PARAMETERS = (
    SearchParameter("_id", "token", "The id: searched alone, without patient and status"),
    *PATIENT_PARAMETERS,
    SearchParameter("subject", "reference", "As patient", target="Patient"),
    SearchParameter("subject.identifier", "token", "As patient.identifier"),
    SearchParameter("status", "token", "current or superseded"),
    SearchParameter("identifier", "token", "The unique id (masterIdentifier) or the UUID of the entry"),
    SearchParameter("author.given", "string", "Given name of an author", modifiers=_STRING),
    SearchParameter("author.family", "string", "Family name of an author", modifiers=_STRING),
    SearchParameter("category", "token", "The class code"),
    SearchParameter("type", "token", "The type code"),
    SearchParameter("setting", "token", "The practice setting"),
    SearchParameter("facility", "token", "The kind of facility"),
    SearchParameter("event", "token", "An event code"),
    SearchParameter("format", "token", "The format code"),
    SearchParameter("security-label", "token", "A confidentiality code"),
    SearchParameter("creation", "date", "When the document was made"),
    SearchParameter("date", "date", "As creation; without one, when it was registered"),
    SearchParameter("period", "date", "A time that the time of service overlaps"),
    SearchParameter("_lastUpdated", "date", "When the entry changed"),
    SearchParameter("related", "token", "An identifier that the document refers to"),
    SearchParameter("related.identifier", "token", "As related"),
    SearchParameter("study-instance-uid", "token", "The study: urn:oid: and its UID, or the UID"),
    SearchParameter("accession-number", "token", "The accession number of the study"),
    SearchParameter("modality", "token", "A modality of the study"),
    SearchParameter("anatomical-region", "token", "A region of the body"),
    SearchParameter("bodysite", "token", "As anatomical-region"),
)
_ORDERS = {"date": "creation_time_from", "period": "service_start_time_from", "_lastUpdated": "updated_at"}
SORTS = (*_ORDERS, *(f"-{name}" for name in _ORDERS))


def read_document_reference(asked: Asked, key: str) -> Resource:
    """Read what is known of a document.

    Raises
    ------
    UnknownResource
        There is none, or none that the actor may see.
    """
    require_read(asked)
    return make_document_references(asked.base, asked.actor, [find_document(asked.actor, key)])[0]


def search_document_references(asked: Asked, query: Query) -> Found:
    """Search the documents of a patient, newest first.

    Raises
    ------
    InvalidParameter
        Neither patient nor id, or no status.
    """
    require_read(asked)
    candidates = DocumentEntry.objects.order_by(*_order_of(query), "-pk")
    patients = find_patient_ids(
        asked, query.of("patient", "patient.identifier", "subject", "subject.identifier")
    )
    require_patient_and(query, "status")
    if patients is not None:
        candidates = candidates.filter(patient__in=patients)
    for criterion in query.criteria:
        candidates = candidates.filter(document_condition(criterion))
    names = query.of("author.given", "author.family")
    page = scan(
        asked.actor,
        candidates,
        query,
        select_documents,
        lambda entry: names_match(entry.authors, names) and fits_document(entry, query.criteria),
    )
    entries = [entry for entry, _ in page.rows]
    included: list[Resource] = []
    if {"DocumentReference:patient", "DocumentReference:subject"} & query.included:
        included = include_patients(asked, (entry.patient_id for entry in entries))
    record_search(asked, query, "DocumentReference", patients, len(entries))
    found = make_document_references(asked.base, asked.actor, entries)
    return Found(tuple(found), page.position, included=tuple(included))


def require_patient_and(query: Query, *names: str) -> None:
    """Refuse a search of documents that is not about a patient, unless by ids.

    Raises
    ------
    InvalidParameter
        Names what is missing. Standard: IHE ITI TF-2 3.67.4.1.2.1
    """
    if query.of("_id"):
        return
    if not query.of("patient", "patient.identifier", "subject", "subject.identifier"):
        raise InvalidParameter("name the patient: patient or patient.identifier is required", "patient")
    for name in names:
        if not query.of(name):
            raise InvalidParameter(f"{name} is required", name)


def record_search(
    asked: Asked, query: Query, resource: str, patients: frozenset[int] | None, results: int
) -> None:
    """Record a search, with its patient where it is about one."""
    one = min(patients) if patients and len(patients) == 1 else None
    detail = {"resource": resource, "query": dict(query.applied), "results": results}
    with write_transaction():
        audit.record(asked.actor, "search", door="fhir", patient_id=one, detail=detail)


def _order_of(query: Query) -> list[str]:
    return [
        f"-{_ORDERS[name[1:]]}" if name.startswith("-") else _ORDERS[name]
        for name in query.sort or ("-date",)
    ]


DOOR = ResourceDoor(
    type="DocumentReference",
    documentation=(
        "The documents of a patient: manifests, reports, requests and what was submitted. A search names the patient "
        "and the status. The bytes are at the attachment's address (ITI-68)."
    ),
    read=read_document_reference,
    search=search_document_references,
    parameters=PARAMETERS,
    sorts=SORTS,
    includes=("DocumentReference:patient", "DocumentReference:subject"),
    profiles=(MINIMAL,),
    statements=("https://profiles.ihe.net/ITI/MHD/CapabilityStatement/IHE.MHD.DocumentResponder",),
)
