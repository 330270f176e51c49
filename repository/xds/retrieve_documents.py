"""ITI-43 Retrieve Document Set: unknown and not permitted are the same answer, whatever else the request asks.

Standard: IHE ITI TF-2 3.43
"""

from access.actor import Actor
from access.database import release
from registry.affinity import affinity
from registry.document_visibility import UnknownDocument, permitted_document
from registry.ihe.faults import sender_fault
from registry.ihe.soap import SoapAnswer
from registry.ihe.views import Call
from registry.submission import RegistryError
from repository.document_store import DamagedDocument, UnknownContent, open_document
from repository.xds.answers import XDSB, Given, Wanted, answer_documents, local_name, read_wanted

ACTION = "urn:ihe:iti:2007:RetrieveDocumentSet"
ROOT = f"{{{XDSB}}}RetrieveDocumentSetRequest"
DOOR = "iti-43"
MAX_DOCUMENTS = 1000


def retrieve_documents(call: Call) -> SoapAnswer:
    """Answer with the documents of this repository that the actor may read."""
    wanted = [read_wanted(child) for child in call.body if local_name(child) == "DocumentRequest"]
    if not wanted or len(wanted) > MAX_DOCUMENTS:
        raise sender_fault(f"{len(wanted)} DocumentRequest elements; 1 to {MAX_DOCUMENTS} are taken")
    given: list[Given] = []
    errors: list[RegistryError] = []
    for one in wanted:
        found = _find(call.actor, one)
        (given if isinstance(found, Given) else errors).append(found)  # type: ignore[arg-type]
    release()
    return answer_documents(call.actor, call.message_id, given, errors)


def check_community(wanted: Wanted, repository_unique_id: str) -> RegistryError | None:
    """Tell what is wrong with where a document is sought."""
    home = wanted.home_community_id
    if home and home != affinity().home_community_id:
        return RegistryError("XDSUnknownCommunity", f"{home} is not this community", wanted.unique_id)
    if wanted.repository_unique_id != repository_unique_id:
        return RegistryError(
            "XDSUnknownRepositoryId",
            f"{wanted.repository_unique_id or 'no RepositoryUniqueId'} is not the repository here",
            wanted.unique_id,
        )
    return None


def unknown_document(wanted: Wanted) -> RegistryError:
    """Make the error for a document that is not there, or not for this actor."""
    return RegistryError("XDSDocumentUniqueIdError", f"no document {wanted.unique_id}", wanted.unique_id)


def _find(actor: Actor, wanted: Wanted) -> Given | RegistryError:
    error = check_community(wanted, affinity().repository_unique_id)
    if error is not None:
        return error
    try:
        permitted = permitted_document(actor, wanted.unique_id, door=DOOR)
        _, pieces = open_document(wanted.unique_id)
    except (UnknownDocument, UnknownContent):
        return unknown_document(wanted)
    except DamagedDocument:
        return RegistryError("XDSRepositoryError", "the document is damaged", wanted.unique_id)
    return Given(wanted, permitted.entry.mime_type, pieces)
