"""What every retrieve answer shares: permission and audit first, then a body that streams.

Standard: PS3.18 8.6, 8.7.8
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from access import audit
from access.actor import Actor
from access.database import release
from registry.reading import permit_reading, record_reading
from registry.visibility import VisibleStudy
from registry.wire.media_types import Choice, Offer, negotiate
from registry.wire.multipart_related import close_delimiter, frame_part, new_boundary
from repository import metadata, retrieve
from repository.admission import AdmittedDownload
from repository.conditions import check_if_match, find_range, is_not_modified, make_tag
from repository.dicomweb.recheck import DOOR
from repository.dicomweb.status import require
from repository.retrieve import StoredInstance

DICOM = "application/dicom"
OCTET_STREAM = "application/octet-stream"
ZIP = "application/zip"
BLOCK_BYTES = 256 * 1024
TRANSFER_BYTES = 8 << 20  # what is larger holds its thread as long as a multi-instance answer does
SHORT_BYTES = 1 << 20  # what is shorter is sent at once
PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Cookie"}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to send, alone or as a part of an answer.

    Attributes
    ----------
    location
        Its own URL.
    facts
        What determines its bytes: the entity tag is made of them.
    length
        Bytes, None where only its end shows them.
    read
        `read(start, length)` yields a part of it; of an item of unknown length only the whole, `(0, 0)`.
    """

    content_type: str
    location: str
    facts: tuple[bytes, ...]
    length: int | None
    read: Callable[[int, int], Iterator[bytes]]

    def read_all(self) -> Iterator[bytes]:
        """Yield all of it."""
        return self.read(0, self.length or 0)


def permitted(
    actor: Actor, study: str, series: str | None, instance: str | None
) -> tuple[VisibleStudy, list[StoredInstance]]:
    """Resolve the whole path for the actor, recorded before the first byte; frees the connection."""
    require(actor, "read")
    row = permit_reading(actor, study, door=DOOR)
    items = retrieve.find_instances(row, series, instance)
    record_reading(actor, row, door=DOOR)
    release()
    return row, items


def permitted_documents(actor: Actor, study: str, series: str | None) -> list[metadata.DocumentPlan]:
    """Plan the metadata of a study or series for the actor, recorded before the first byte."""
    require(actor, "read")
    row = permit_reading(actor, study, door=DOOR)
    plans = metadata.plan_documents(row.pk, series)
    record_reading(actor, row, door=DOOR)
    release()
    return plans


def negotiate_for(request: HttpRequest, offers: Sequence[Offer]) -> Choice:
    """Choose among the offers by the `accept` parameter and the Accept header."""
    return negotiate(",".join(request.GET.getlist("accept")), request.headers.get("Accept"), offers)


def start(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Produce the first piece now, so that what cannot be read fails before the status line."""
    first = next(pieces, b"")
    return chain((first,), pieces)


def answer_item(request: HttpRequest, actor: Actor, item: Item, stored_bytes: int) -> HttpResponseBase:
    """Answer with one item as a single part: whole, a range of it, or that the client has it already.

    Parameters
    ----------
    stored_bytes
        How much this may be where its length is not known; what is long holds a download place.
    """
    tag = make_tag(item.facts)
    check_if_match(request, tag)
    headers = {**PRIVATE, "ETag": tag}
    if is_not_modified(request, tag):
        return not_modified(headers)
    if item.length is None:
        holder = actor if stored_bytes > TRANSFER_BYTES else None
        return stream(start(item.read_all()), item.content_type, actor=holder, headers=headers)
    part = find_range(request, tag, item.length)
    first, length = (part.start, part.length) if part else (0, item.length)
    headers |= {"Accept-Ranges": "bytes", "Content-Length": str(length)}
    if part:
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{item.length}"
    status = 206 if part else 200
    holder = actor if length > TRANSFER_BYTES else None
    body = start(item.read(first, length))
    if length <= SHORT_BYTES and holder is None:
        return HttpResponse(b"".join(body), item.content_type, status, headers=headers)
    return stream(body, item.content_type, actor=holder, headers=headers, status=status)


def answer_parts(
    request: HttpRequest, actor: Actor | None, media_type: str, facts: Iterable[bytes], parts: Iterable[Item]
) -> HttpResponseBase:
    """Answer with items in multipart/related, in their order; an actor holds a download place for it."""
    tag = make_tag((b"parts", *facts), weak=True)  # the boundary is another one each time
    check_if_match(request, tag)
    headers = {**PRIVATE, "ETag": tag}
    if is_not_modified(request, tag):
        return not_modified(headers)
    boundary = new_boundary()
    body = start(multipart(boundary, ((part.content_type, part.location, part.read_all()) for part in parts)))
    return stream(body, multipart_type(media_type, boundary), actor=actor, headers=headers)


def find_known(request: HttpRequest, facts: Iterable[bytes]) -> HttpResponse | None:
    """Return the answer for a client that names the very tag of an item; asked before the item is made."""
    if request.META.get("HTTP_IF_NONE_MATCH", "*").strip() == "*":
        return None
    tag = make_tag(facts)
    return not_modified({**PRIVATE, "ETag": tag}) if is_not_modified(request, tag) else None


def not_modified(headers: dict[str, str]) -> HttpResponse:
    """Say that what the client has is still right."""
    response = HttpResponse(status=304, headers=headers)
    for name in ("Content-Type", "Content-Encoding"):
        response.headers.pop(name, None)
    return response


def stream(
    body: Iterator[bytes],
    content_type: str,
    *,
    actor: Actor | None,
    headers: dict[str, str] = PRIVATE,
    status: int = 200,
) -> StreamingHttpResponse:
    """Stream a body; with an actor, it holds a download place until its end."""
    admitted = AdmittedDownload(actor, body) if actor is not None else body
    return StreamingHttpResponse(admitted, content_type=content_type, headers=headers, status=status)


def admitted(actor: Actor, items: Sequence[StoredInstance]) -> Actor | None:
    """Return who must have a place for this answer; None when it is short."""
    return actor if len(items) > 1 or items[0].length > TRANSFER_BYTES else None


def count_instances(actor: Actor, study: str, items: Sequence[StoredInstance]) -> None:
    """Count what is sent in the log of accesses."""
    size = sum(item.length for item in items)
    audit.count(actor, study, door=DOOR, instances=len(items), bytes_sent=size)


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
