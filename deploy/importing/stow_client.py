"""A STOW-RS client: one request, its answer read item by item.

Standard: PS3.18 10.5
"""

import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import urllib3

from registry.wire.multipart_related import close_delimiter, frame_part, new_boundary

CHUNK_BYTES = 256 * 1024
MAX_TRIES = 6
MAX_WAIT_S = 30.0
JITTER = 0.25
"""Who was turned away together does not come back together: up to this share later than asked to."""
ALREADY_STORED = "already stored"

_PART_NUMBER = re.compile(r"\Apart \d+: ")  # says nothing outside of its request
_BUSY = (429, 502, 503, 504)
_REFERENCED, _FAILED, _OTHER = "00081199", "00081198", "0008119A"
_UID, _REASON, _WARNING, _COMMENT = "00081155", "00081197", "00081196", "00000902"
_FIRST_VERSION_KEPT = str(0xB00E)
_CREATOR, _OURS, _DETAIL = "00090010", "SAMSYN STORE RESPONSE", "00091001"

Buffer = bytes | memoryview


class ServerUnreachable(Exception):
    """The server did not answer, or only that it is busy, however often it was asked."""


class NotAuthorised(Exception):
    """The server does not take the token, or the token may not store."""


@dataclass(frozen=True, slots=True)
class StowServer:
    """Where to store: `url` is the DICOMweb base, without `/studies`."""

    url: str
    token: str
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(
            maxsize=4, retries=False, timeout=urllib3.Timeout(connect=10, read=600)
        )
    )


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """What a server says about one request.

    `stored` and `failed` map SOP Instance UIDs to a comment; `others` are failures of parts without a UID;
    `differing` are those of the stored of which the server keeps another content; `error` is the text of an answer
    that says nothing about single instances.
    """

    status: int
    stored: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    differing: frozenset[str] = frozenset()
    error: str = ""


def store_instances(server: StowServer, instances: Sequence[Buffer]) -> StoreAnswer:
    """Send PS3.10 files in one request, again and later while the server is busy or out of reach.

    Repeating is harmless: a server answers an instance that it has already as stored.

    Raises
    ------
    ServerUnreachable, NotAuthorised
        Sending anything else is as pointless.
    """
    reason = ""
    for attempt in range(MAX_TRIES):
        try:
            response = _post(server, instances)
        except urllib3.exceptions.HTTPError as error:
            reason, wait_s = str(error), 0.5 * 2**attempt
        else:
            if response.status not in _BUSY:
                return _read_answer(response.status, response.data)
            reason = _describe_error(response.status, response.data)
            wait_s = _read_retry_after(response, 0.5 * 2**attempt)
        if attempt + 1 < MAX_TRIES:
            time.sleep(min(wait_s, MAX_WAIT_S) * (1 + random.uniform(0, JITTER)))  # noqa: S311 (jitter)
    raise ServerUnreachable(f"{server.url} was asked {MAX_TRIES} times: {reason}")


def _post(server: StowServer, instances: Sequence[Buffer]) -> urllib3.BaseHTTPResponse:
    boundary = new_boundary()
    frames = [frame_part(boundary, "application/dicom", first=not index) for index in range(len(instances))]
    ending = close_delimiter(boundary)
    length = sum(map(len, frames)) + sum(map(len, instances)) + len(ending)
    headers = {
        "Accept": "application/dicom+json",
        "Authorization": f"Bearer {server.token}",
        "Content-Length": str(length),
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
    }
    body = _iterate_body(frames, instances, ending)
    return server.pool.request("POST", f"{server.url}/studies", body=body, headers=headers)


def _iterate_body(frames: Sequence[bytes], instances: Sequence[Buffer], ending: bytes) -> Iterator[bytes]:
    for frame, instance in zip(frames, instances, strict=True):
        yield frame
        view = memoryview(instance)
        for offset in range(0, len(view), CHUNK_BYTES):
            yield bytes(view[offset : offset + CHUNK_BYTES])
    yield ending


def _read_answer(status: int, body: bytes) -> StoreAnswer:
    if status in (401, 403):
        raise NotAuthorised(_describe_error(status, body))
    try:
        module = orjson.loads(body)
    except orjson.JSONDecodeError:
        return StoreAnswer(status, error=_describe_error(status, body))
    module = module[0] if isinstance(module, list) and module else module
    if not isinstance(module, dict) or not any(tag in module for tag in (_REFERENCED, _FAILED, _OTHER)):
        return StoreAnswer(status, error=_describe_error(status, body))
    failed, others = {}, []
    for item in _items(module, _FAILED) + _items(module, _OTHER):
        uid = _text(item, _UID)
        if uid:
            failed[uid] = _describe_failure(item)
        else:
            others.append(_describe_failure(item))
    referenced = _items(module, _REFERENCED)
    stored = {_text(item, _UID): _comment(item) for item in referenced}
    kept = frozenset(_text(item, _UID) for item in referenced if _text(item, _WARNING) == _FIRST_VERSION_KEPT)
    return StoreAnswer(status, stored, failed, tuple(others), kept)


def _items(module: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    return [item for item in module.get(tag, {}).get("Value") or [] if isinstance(item, dict)]


def _text(item: dict[str, Any], tag: str) -> str:
    values = item.get(tag, {}).get("Value") or [""]
    return str(values[0])


def _comment(item: dict[str, Any]) -> str:
    """Return the whole sentence that this software puts beside the comment, else the comment."""
    detail = _text(item, _DETAIL) if _text(item, _CREATOR) == _OURS else ""
    return detail or _text(item, _COMMENT)


def _describe_failure(item: dict[str, Any]) -> str:
    reason, comment = _text(item, _REASON), _PART_NUMBER.sub("", _comment(item))
    number = f"failure reason {int(reason):04X}H" if reason.isdigit() else "no failure reason given"
    return f"{comment} ({number})" if comment else number


def _describe_error(status: int, body: bytes) -> str:
    text = body[:2000].decode("utf-8", "replace").strip()
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict) and isinstance(document.get("error"), str):
        text = document["error"]
    return f"the server answered {status}: {' '.join(text.split())[:300]}"


def _read_retry_after(response: urllib3.BaseHTTPResponse, otherwise_s: float) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else otherwise_s
