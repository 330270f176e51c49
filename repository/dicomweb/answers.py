"""What every retrieve answer shares: permission and audit first, then a body that streams.

Standard: PS3.18 8.6, 8.7.8
"""

from collections.abc import Iterator, Sequence
from itertools import chain

from django.http import HttpRequest, StreamingHttpResponse

from access import audit
from access.actor import Actor
from access.database import release
from registry.visibility import VisibleStudy, permitted_study
from registry.wire.media_types import Choice, Offer, negotiate
from registry.wire.multipart_related import close_delimiter, frame_part
from repository import metadata, retrieve
from repository.dicomweb.admission import AdmittedDownload
from repository.dicomweb.status import require
from repository.retrieve import StoredInstance

DICOM = "application/dicom"
OCTET_STREAM = "application/octet-stream"
BLOCK_BYTES = 256 * 1024
TRANSFER_BYTES = 8 << 20  # what is larger holds its thread as long as a multi-instance answer does
PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Cookie"}


def permitted(
    actor: Actor, study: str, series: str | None, instance: str | None
) -> tuple[VisibleStudy, list[StoredInstance]]:
    """Resolve the whole path for the actor, recorded before the first byte; frees the connection."""
    require(actor, "read")
    row = permitted_study(actor, study)
    items = retrieve.find_instances(row, series, instance)
    audit.touch(actor, study, row.person_id, door="wado")
    release()
    return row, items


def permitted_documents(actor: Actor, study: str, series: str | None) -> list[metadata.DocumentPlan]:
    """Plan the metadata of a study or series for the actor, recorded before the first byte."""
    require(actor, "read")
    row = permitted_study(actor, study)
    plans = metadata.plan_documents(row.pk, series)
    audit.touch(actor, study, row.person_id, door="wado")
    release()
    return plans


def negotiate_for(request: HttpRequest, offers: Sequence[Offer]) -> Choice:
    """Choose among the offers by the `accept` parameter and the Accept header."""
    return negotiate(request.GET.get("accept"), request.headers.get("Accept"), offers)


def start(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Produce the first piece now, so that what cannot be read fails before the status line."""
    first = next(pieces, b"")
    return chain((first,), pieces)


def stream(body: Iterator[bytes], content_type: str, *, actor: Actor | None) -> StreamingHttpResponse:
    """Stream a body; with an actor, it holds a download place until its end."""
    admitted = AdmittedDownload(actor, body) if actor is not None else body
    return StreamingHttpResponse(admitted, content_type=content_type, headers=PRIVATE)


def admitted(actor: Actor, items: Sequence[StoredInstance]) -> Actor | None:
    """Return who must have a place for this answer; None when it is short."""
    return actor if len(items) > 1 or items[0].length > TRANSFER_BYTES else None


def count_instances(actor: Actor, study: str, items: Sequence[StoredInstance]) -> None:
    """Count what is sent in the log of accesses."""
    size = sum(item.length for item in items)
    audit.count(actor, study, door="wado", instances=len(items), bytes_sent=size)


def multipart(boundary: str, parts: Iterator[tuple[str, str, Iterator[bytes]]]) -> Iterator[bytes]:
    """Write parts (content type, location, payload) as the body of a multipart/related answer."""
    is_first = True
    for content_type, location, payload in parts:
        head = next(payload, b"")  # what cannot be read fails before its headers are sent
        header = frame_part(boundary, content_type, content_location=location, first=is_first)
        if len(head) <= BLOCK_BYTES:  # one write to the socket is worth copying a block, not a whole frame
            header, head = header + head, b""
        yield header
        if head:
            yield head
        yield from payload
        is_first = False
    yield close_delimiter(boundary)


def multipart_type(media_type: str, boundary: str) -> str:
    """Return the Content-Type of a multipart/related answer."""
    return f'multipart/related; type="{media_type}"; boundary="{boundary}"'


def instance_url(base: str, item: StoredInstance) -> str:
    """Return the URL of an instance under the DICOMweb base."""
    return (
        f"{base}/studies/{item.study_instance_uid}/series/{item.series_instance_uid}"
        f"/instances/{item.sop_instance_uid}"
    )
