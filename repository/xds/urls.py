"""The addresses of the repository and the imaging source."""

from collections.abc import Iterable

from django.urls import path

from registry.ihe.ebrim import read_submission
from registry.ihe.mtom import Attachment, Buffer
from registry.ihe.views import Attachments, Call, Edge, Operation, package, soap_view
from registry.ihe.xml import Element
from repository.admission import AllPlacesTaken, ShareUsedUp, admitted_upload
from repository.document_store import StoredContent, discard, store_bytes
from repository.xds import provide_and_register, retrieve_documents, retrieve_imaging

MAX_REQUEST_BYTES = 16 << 30


def _keep(pieces: Iterable[Buffer]) -> Attachment:
    content = store_bytes(pieces, "", "")
    return Attachment(content.key, content.size_bytes, content.sha1, content.sha256)


def _take_back(attachment: Attachment) -> None:
    discard(StoredContent(attachment.key, "", "", attachment.size_bytes, attachment.sha1, attachment.sha256))


def _provide_and_register(call: Call) -> Element:
    return provide_and_register.provide_and_register(call, read_submission)


BUSY = ((ShareUsedUp, 429), (AllPlacesTaken, 503))
READING = Edge(busy=BUSY)
STORING = Edge(Attachments(_keep, _take_back), MAX_REQUEST_BYTES, admitted_upload, BUSY)

PROVIDE_AND_REGISTER = Operation(
    provide_and_register.ACTION,
    provide_and_register.ROOT,
    "store",
    package(_provide_and_register, provide_and_register.ANSWER),
)
RETRIEVE_DOCUMENTS = Operation(
    retrieve_documents.ACTION, retrieve_documents.ROOT, "read", retrieve_documents.retrieve_documents
)
RETRIEVE_IMAGING = Operation(
    retrieve_imaging.ACTION, retrieve_imaging.ROOT, "read", retrieve_imaging.retrieve_imaging
)

repository = soap_view([PROVIDE_AND_REGISTER, RETRIEVE_DOCUMENTS], STORING)
imaging = soap_view([RETRIEVE_IMAGING], READING)

urlpatterns = [path("repository", repository), path("imaging", imaging)]
