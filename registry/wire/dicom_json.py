"""The DICOM JSON model as text: BulkDataURIs and their server.

Metadata documents are kept with BulkDataURIs relative to the server, so that one stored document serves every
public address.

Standard: PS3.18 F.2.6
"""

import json
from collections.abc import Iterable, Iterator

_MARK = b'"BulkDataURI":"'
_RELATIVE = _MARK + b"/"
_BETWEEN = b",\n"


def build_bulk_data_prefix(base_path: str, study_uid: str, series_uid: str, instance_uid: str) -> str:
    """Return what the BulkDataURIs of one instance begin with; the path of the element follows.

    Parameters
    ----------
    base_path
        Where the DICOMweb service lies on its server, such as "/dicom-web"; "" for the root.
    """
    base = base_path.rstrip("/")
    return f"{base}/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}/bulkdata/"


def absolute_bulk_data_uris(document: bytes, origin: str) -> bytes:
    """Make the server-relative BulkDataURIs of a JSON document absolute.

    The document must be written without blanks, as orjson does. Text values cannot be hit: a quotation
    mark in them is escaped.

    Parameters
    ----------
    origin
        Scheme, host and port, such as "https://pacs.example.org".
    """
    return document.replace(_RELATIVE, _absolute(origin))


def stream_absolute_bulk_data_uris(pieces: Iterable[bytes], origin: str) -> Iterator[bytes]:
    """Do as `absolute_bulk_data_uris` with a document that comes in pieces, cut anywhere."""
    absolute, held = _absolute(origin), b""
    for piece in pieces:
        data = held + piece
        end = len(data) - len(_RELATIVE) + 1  # what follows may be the beginning of one
        at = data.find(_RELATIVE, max(0, end - len(_RELATIVE)))
        if 0 <= at < end:
            end = at + len(_RELATIVE)
        end = max(end, 0)
        yield data[:end].replace(_RELATIVE, absolute)
        held = data[end:]
    yield held


def split_documents(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the objects of a JSON array that comes in pieces, cut anywhere; one is in memory at a time.

    Line feeds must stand between the objects and nowhere else, as in metadata documents: `,` and a line feed.
    """
    held = b""
    for piece in pieces:
        *whole, held = (held + piece).split(_BETWEEN)
        for document in whole:
            yield document.removeprefix(b"[")
    last = held.removeprefix(b"[").removesuffix(b"]")
    if last:
        yield last


def _absolute(origin: str) -> bytes:
    quoted = json.dumps(origin.rstrip("/"))[1:-1].encode("ascii")
    return _MARK + quoted + b"/"
