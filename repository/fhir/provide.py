"""Provide Document Bundle (ITI-65) and Simplified Publish (ITI-105).

Standard: IHE ITI TF-2 3.65, 3.105
"""

from collections.abc import Sequence

from django.http import HttpRequest
from django.utils import timezone

from registry.affinity import affinity
from registry.fhir.documents.identifiers import id_of_uuid
from registry.fhir.documents.rows import make_document_references
from registry.fhir.documents.times import dtm_of
from registry.fhir.door import Asked
from registry.fhir.errors import Forbidden, UnheldContent
from registry.fhir.formats import read_resource
from registry.fhir.structure import Resource
from registry.fhir.views import Answer
from registry.models import DocumentEntry
from registry.submission import (
    AssociationDraft,
    Registered,
    Submission,
    SubmissionRefused,
    SubmissionSetDraft,
)
from repository.admission import admitted_upload
from repository.fhir.accept import Provided, accept
from repository.fhir.bodies import outcome_of, read_whole
from repository.fhir.links import HAS_MEMBER, find_relations
from repository.fhir.provided import make_unique_id, read_bundle, read_reference
from repository.fhir.reading import Reading

REFUSED = 422


def provide_bundle(request: HttpRequest, asked: Asked) -> Answer:
    """Take the Bundle of a transaction; answers in its order. Standard: IHE ITI TF-2 3.65.4.2"""
    require_store(asked)
    try:
        with admitted_upload(asked.actor):
            bundle = read_resource(*read_whole(request), "Bundle")
            provided, reading = read_bundle(bundle, asked.base)
            registered = accept(asked.actor, provided, door="iti-65")
    except SubmissionRefused as error:
        return Answer(outcome_of(error.errors), REFUSED)
    entries = [_answer_entry(number, reading, registered) for number in range(len(reading.entries))]
    if registered.warnings and entries:
        entries[0]["response"]["outcome"] = outcome_of(registered.warnings)
    return Answer({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})


def publish(request: HttpRequest, asked: Asked) -> Answer:
    """Take one DocumentReference that holds its document. Standard: IHE ITI TF-2 3.105.4.1"""
    require_store(asked)
    try:
        with admitted_upload(asked.actor):
            made = publish_reference(asked, read_resource(*read_whole(request), "DocumentReference"))
    except SubmissionRefused as error:
        return Answer(outcome_of(error.errors), REFUSED)
    return Answer(made, 201, (("Location", f"{asked.base}/DocumentReference/{made['id']}"),))


def publish_reference(asked: Asked, sent: Resource) -> Resource:
    """Register a DocumentReference that holds its document, in a submission set of its own.

    Raises
    ------
    SubmissionRefused
        With everything that is wrong; nothing was kept.
    """
    require_store(asked)
    contents: list[Resource] = sent.get("content", [])
    attachment = contents[0].get("attachment", {}) if contents else {}
    if "data" not in attachment:
        raise UnheldContent(
            "attachment.data holds the document; with attachment.url send a transaction",
            "DocumentReference.content[0].attachment.data",
        )
    return register_reference(asked, sent, door="iti-105")


def register_reference(
    asked: Asked, sent: Resource, *, door: str, beside: Sequence[Resource] = ()
) -> Resource:
    """Register a DocumentReference with its data alone; `beside` are entries with what it refers to.

    Raises
    ------
    SubmissionRefused
        With everything that is wrong; nothing was kept.
    """
    provided = _read_published(asked, sent, beside)
    registered = accept(asked.actor, provided, door=door)
    symbol = provided.submission.entries[0].entry_uuid
    entry = DocumentEntry.objects.get(entry_uuid=registered.uuids.get(symbol, symbol))
    return make_document_references(asked.base, asked.actor, [entry])[0]


def _read_published(asked: Asked, sent: Resource, beside: Sequence[Resource]) -> Provided:
    reading = Reading(asked.base, [{"resource": sent}, *beside])
    reading.by_url |= {entry["fullUrl"]: number for number, entry in enumerate(beside, 1)}
    read_reference(reading, 0, sent)
    draft = reading.drafts[0]
    held = SubmissionSetDraft(
        entry_uuid="set",
        unique_id=make_unique_id(),
        source_id=affinity().source_id,
        patient_id=draft.patient_id,
        submission_time=dtm_of(timezone.now()),
        content_type_code=draft.class_code or draft.type_code or affinity().manifest_codes.content_type_code,
        title=draft.title,
        authors=draft.authors,
    )
    member = AssociationDraft("member0", HAS_MEMBER, "set", draft.entry_uuid, "Original")
    links = (member, *find_relations(reading, sent, draft.entry_uuid, "DocumentReference"))
    return Provided(Submission((held,), (draft,), (), links), reading.contents)


def _answer_entry(number: int, reading: Reading, registered: Registered) -> Resource:
    uuids = registered.uuids
    if number in reading.patients:
        return _response("200 OK", f"Patient/{reading.patients[number]}")
    if number in reading.patched:
        return _response("200 OK", f"DocumentReference/{id_of_uuid(reading.patched[number])}")
    if number in reading.held_folders:
        return _response("200 OK", f"List/{id_of_uuid(reading.held_folders[number])}")
    if number in reading.owners:
        symbol = reading.owners[number]
        return _response("201 Created", f"Binary/{id_of_uuid(uuids.get(symbol, symbol))}")
    if number in reading.drafts:
        symbol = reading.drafts[number].entry_uuid
        return _response("201 Created", f"DocumentReference/{id_of_uuid(uuids.get(symbol, symbol))}")
    held = reading.sets.get(number) or reading.folders[number]
    return _response("201 Created", f"List/{id_of_uuid(uuids.get(held.entry_uuid, held.entry_uuid))}")


def _response(status: str, location: str) -> Resource:
    return {"response": {"status": status, "location": location}}


def require_store(asked: Asked) -> None:
    """Refuse who may not store at all."""
    if not asked.actor.may("store"):
        raise Forbidden(f"{asked.actor.subject} may not store: the credential's scopes do not include it")
