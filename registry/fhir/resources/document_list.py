"""List: submission sets and folders, as MHD finds them (ITI-66).

Standard: IHE ITI TF-2 3.66 (ITI-66), FHIR R4 List
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from access import audit
from access.database import write_transaction
from registry.fhir.conditions import any_of, tokens_of
from registry.fhir.documents.identifiers import URI, is_uuid, uuid_of_id
from registry.fhir.documents.list_form import FOLDER, PROFILES, SUBMISSION_SET
from registry.fhir.documents.list_rows import Row, find_list, make_lists, select_lists
from registry.fhir.documents.matching import STATUSES, code_matches, names_match, time_matches
from registry.fhir.documents.times import end_of_dtm, start_of_dtm
from registry.fhir.door import Asked, Found, ResourceDoor
from registry.fhir.errors import UnknownResource
from registry.fhir.parameters import Criterion, Query, SearchParameter
from registry.fhir.patients import PATIENT_PARAMETERS, find_patient_ids
from registry.fhir.resources.document_reference import record_search, require_patient_and
from registry.fhir.scan import require_read
from registry.fhir.structure import Resource
from registry.fhir.values import Token
from registry.models import Folder, SubmissionSet

MOST_LISTS = 2000
_STRING = frozenset({"exact", "contains"})
PARAMETERS = (
    SearchParameter("_id", "token", "The id: searched alone, without patient, code and status"),
    *PATIENT_PARAMETERS,
    SearchParameter("subject", "reference", "As patient", target="Patient"),
    SearchParameter("code", "token", "submissionset or folder"),
    SearchParameter("status", "token", "current, or superseded (retired)"),
    SearchParameter("date", "date", "When it was submitted, or the folder last changed"),
    SearchParameter(
        "designationType", "token", "The content type of a submission set, or a code of a folder"
    ),
    SearchParameter("identifier", "token", "The unique id or the UUID"),
    SearchParameter("source.given", "string", "Given name of an author", modifiers=_STRING),
    SearchParameter("source.family", "string", "Family name of an author", modifiers=_STRING),
    SearchParameter("sourceId", "token", "The OID of the source"),
)


def read_list(asked: Asked, key: str) -> Resource:
    """Read a submission set or folder.

    Raises
    ------
    UnknownResource
        There is none, or none that the actor may see.
    """
    require_read(asked)
    row = find_list(uuid_of_id(key))
    pairs = select_lists(asked.actor, [row] if row else [])
    if not pairs:
        raise UnknownResource("no such List")
    found = pairs[0][0]
    with write_transaction():
        detail = {"list": found.unique_id}
        audit.record(asked.actor, "read", door="fhir", patient_id=found.patient_id, detail=detail)
    return make_lists(pairs)[0]


def search_lists(asked: Asked, query: Query) -> Found:
    """Search the submission sets and folders of a patient, newest first."""
    require_read(asked)
    patients = find_patient_ids(asked, query.of("patient", "patient.identifier", "subject"))
    require_patient_and(query, "code", "status")
    rows = [row for row in _candidates(query, patients) if _fits(row, query)]
    offset = int(query.position[0]) if query.position else 0
    pairs = select_lists(asked.actor, rows)[offset:]
    record_search(asked, query, "List", patients, len(pairs[: query.count]))
    position = (offset + query.count,) if len(pairs) > query.count else ()
    return Found(tuple(make_lists(pairs[: query.count])), position)


def _candidates(query: Query, patients: frozenset[int] | None) -> Sequence[Row]:
    condition = Q() if patients is None else Q(patient__in=patients)
    for criterion in query.of("_id", "identifier", "status"):
        condition &= _condition(criterion)
    wanted = [{token.code for token in tokens_of(criterion)} for criterion in query.of("code")]
    rows: list[Row] = []
    if all(SUBMISSION_SET in codes for codes in wanted):
        rows += (
            SubmissionSet.objects.filter(condition)
            .select_related("department__unit")
            .order_by("-pk")[:MOST_LISTS]
        )
    if all(FOLDER in codes for codes in wanted):
        rows += (
            Folder.objects.filter(condition).select_related("department__unit").order_by("-pk")[:MOST_LISTS]
        )
    return rows


def _condition(criterion: Criterion) -> Q:
    tokens = tokens_of(criterion)
    if criterion.name == "_id":
        return Q(entry_uuid__in=[uuid_of_id(token.code or "") for token in tokens])
    if criterion.name == "status":
        return Q(status__in=[STATUSES.get(token.code or "", "") for token in tokens])
    return any_of(_identifier(token) for token in tokens)


def _identifier(token: Token) -> Q:
    text = token.code or ""
    if token.system not in (None, "", URI):
        return Q(pk__in=[])
    if is_uuid(text):
        return Q(entry_uuid=text.lower())
    return Q(unique_id=text.removeprefix("urn:oid:"))


def _fits(row: Row, query: Query) -> bool:
    """Tell whether a list is as asked for; what only submission sets have, folders are not asked for."""
    is_set = isinstance(row, SubmissionSet)
    dtm = row.submission_time if isinstance(row, SubmissionSet) else row.last_update_time
    codes: list[Any] = [row.content_type_code] if isinstance(row, SubmissionSet) else row.codes
    for criterion in query.criteria:
        if criterion.name == "date" and not time_matches(criterion, start_of_dtm(dtm), end_of_dtm(dtm)):
            return False
        if criterion.name == "designationType" and not code_matches(criterion, codes):
            return False
        if criterion.name == "sourceId" and isinstance(row, SubmissionSet):
            wanted = {(token.code or "").removeprefix("urn:oid:") for token in tokens_of(criterion)}
            if row.source_id not in wanted:
                return False
    names = query.of("source.given", "source.family")
    return not is_set or names_match(getattr(row, "authors", []), names)


DOOR = ResourceDoor(
    type="List",
    documentation=(
        "Submission sets and folders of a patient, for whoever may see one of their documents. A search names the "
        "patient, the code (submissionset or folder) and the status."
    ),
    read=read_list,
    search=search_lists,
    parameters=PARAMETERS,
    profiles=tuple(PROFILES.values()),
    statements=("https://profiles.ihe.net/ITI/MHD/CapabilityStatement/IHE.MHD.DocumentResponder",),
)
