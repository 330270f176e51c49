"""Binary: the bytes of a document, streamed; or wrapped as a resource, or a manifest in its other format.

Standard: IHE ITI TF-2 3.68 (ITI-68), FHIR R4 binary.html
"""

from base64 import b64encode
from collections.abc import Sequence

import orjson
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from access.authentication import authenticate
from access.database import release
from registry.document_visibility import visible_documents, with_places
from registry.fhir.documents.rows import find_document
from registry.fhir.door import Asked, ResourceDoor
from registry.fhir.errors import DeletedResource, ImpossibleInteraction
from registry.fhir.formats import JSON, XML, Format, choose_format, write_resource
from registry.fhir.scan import require_read
from registry.fhir.status import describe
from registry.fhir.structure import Resource
from registry.fhir.views import HEADERS, fhir_base
from registry.models import DocumentEntry
from registry.models.document import APPROVED
from registry.wire.media_types import NotAcceptable, Offer, negotiate
from repository.admission import AdmittedDownload
from repository.conditions import UnsatisfiableRange, find_range, is_not_modified
from repository.document_store import find_content, open_document, open_part
from repository.fhir.refusals import TRANSFER_ERRORS

TRANSFER_BYTES = 8 << 20
"""A longer answer holds a place among the downloads."""
MAX_WRAPPED_BYTES = 16 * 1024 * 1024
MANIFESTS = ("mado", "kos", "fhir")


def retrieve_document(request: HttpRequest, key: str) -> HttpResponseBase:
    """Answer with a document; every error is an OperationOutcome."""
    try:
        response = _retrieve(request, key)
    except Exception as error:  # noqa: BLE001 (the HTTP edge)
        problem = describe(error, TRANSFER_ERRORS)
        response = HttpResponse(
            write_resource(problem.outcome, Format()), status=problem.status, headers=dict(problem.headers)
        )
        if isinstance(error, UnsatisfiableRange):
            response.headers["Content-Range"] = f"bytes */{error.length_bytes}"
        response.headers["Content-Type"] = Format().content_type
        if problem.status == 405:
            response.headers["Allow"] = "GET, HEAD"
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.method == "HEAD" and isinstance(response, HttpResponse):
        response.headers["Content-Length"] = str(len(response.content))
        response.content = b""
    return response


retrieve_document.csrf_exempt = True  # type: ignore[attr-defined]  # what is not GET is refused with words


def read_binary(asked: Asked, key: str) -> Resource:
    """Read a document as a Binary resource.

    Raises
    ------
    UnknownResource
        There is none, or none that the actor may read.
    DeletedResource
        It was replaced, or its bytes are gone.
    """
    require_read(asked)
    return _wrap(_find(asked, key), key)


def _retrieve(request: HttpRequest, key: str) -> HttpResponseBase:
    asked = Asked(authenticate(request), fhir_base(request))
    if request.method not in ("GET", "HEAD"):
        raise ImpossibleInteraction(f"{request.method} is not possible here; possible are GET, HEAD")
    require_read(asked)
    entry = _find(asked, key)
    wanted = request.GET.get("_format")
    if wanted:
        chosen = choose_format(wanted, None, request.GET.get("_pretty"))
        return _answer_resource(_wrap(entry, key), chosen)
    offered = _offered(asked, entry)
    types = list(offered)
    wraps = [name for name in (JSON, XML) if name not in offered]
    chosen_type = negotiate(
        None, request.headers.get("Accept"), [Offer(name) for name in (*types, *wraps)]
    ).offer.media_type
    if chosen_type in wraps:
        return _answer_resource(_wrap(entry, key), Format(chosen_type))
    return _answer_bytes(request, asked, offered[chosen_type], chosen_type)


def _find(asked: Asked, key: str) -> DocumentEntry:
    entry = find_document(asked.actor, key)
    if entry.status != APPROVED:
        raise DeletedResource("the document was replaced; its DocumentReference is superseded")
    if find_content(entry.unique_id) is None:
        raise DeletedResource("the bytes of the document are not here")
    return entry


def _offered(asked: Asked, entry: DocumentEntry) -> dict[str, DocumentEntry]:
    """Return what may be given by media type: the document, and the manifest in its other format."""
    offered = {entry.mime_type.partition(";")[0].strip().lower(): entry}
    for other in _find_other_manifests(asked, entry):
        offered.setdefault(other.mime_type, other)
    return offered


def _find_other_manifests(asked: Asked, entry: DocumentEntry) -> Sequence[DocumentEntry]:
    if entry.maker not in MANIFESTS or entry.study_id is None:
        return ()
    rows = DocumentEntry.objects.filter(study=entry.study_id, maker__in=MANIFESTS, status=APPROVED)
    found = visible_documents(asked.actor, with_places(rows.exclude(pk=entry.pk)))
    return sorted(found, key=lambda other: MANIFESTS.index(other.maker))


def _answer_bytes(
    request: HttpRequest, asked: Asked, entry: DocumentEntry, media_type: str
) -> HttpResponseBase:
    """Answer with the bytes of a document, whole or a range of them; a long transfer holds a download place.

    Standard: RFC 9110 14.2
    """
    row, pieces = open_document(entry.unique_id)
    tag = f'"{bytes(row.sha256).hex()}"'
    release()
    headers = {
        "ETag": tag,
        "Content-Type": entry.mime_type or media_type,
        "X-Content-Type-Options": "nosniff",
    }
    if is_not_modified(request, tag):
        return HttpResponse(status=304, headers=headers)
    part = find_range(request, tag, row.size)
    length = part.length if part else row.size
    headers |= {"Accept-Ranges": "bytes", "Content-Length": str(length), "Content-Disposition": "attachment"}
    if part:
        headers["Content-Range"] = f"bytes {part.start}-{part.start + length - 1}/{row.size}"
        pieces = open_part(row, part.start, length)
    if request.method == "HEAD":
        return StreamingHttpResponse((), status=206 if part else 200, headers=headers)
    held = AdmittedDownload(asked.actor, pieces) if length > TRANSFER_BYTES else pieces
    return StreamingHttpResponse(held, status=206 if part else 200, headers=headers)


def _wrap(entry: DocumentEntry, key: str) -> Resource:
    row, pieces = open_document(entry.unique_id)
    if row.size > MAX_WRAPPED_BYTES:
        raise NotAcceptable(
            f"a document of {row.size} bytes is not wrapped as Binary: ask for {entry.mime_type}"
        )
    content = b"".join(pieces)
    if entry.mime_type == JSON and entry.maker in MANIFESTS:
        return dict(orjson.loads(content))
    data = {"data": b64encode(content).decode()} if content else {}
    return {"resourceType": "Binary", "id": key, "contentType": entry.mime_type, **data}


def _answer_resource(resource: Resource, chosen: Format) -> HttpResponse:
    response = HttpResponse(write_resource(resource, chosen))
    response.headers["Content-Type"] = chosen.content_type
    return response


DOOR = ResourceDoor(
    type="Binary",
    documentation=(
        "The bytes of a document in its own media type (ITI-68), wrapped as Binary where FHIR is asked for, and of a "
        "manifest also in its other format, by Accept."
    ),
    read=read_binary,
    statements=("https://profiles.ihe.net/ITI/MHD/CapabilityStatement/IHE.MHD.DocumentResponder",),
)
