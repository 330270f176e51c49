"""Fetch a small JSON document from another server that somebody named: over TLS, to a checked address, within limits.

Nothing is followed: a redirect is an error.
"""

import json
import time
from typing import Any

import urllib3

from access.address import Address, ForbiddenAddress, resolve

TIMEOUT_S = 5.0
MAX_BYTES = 1 << 20


class UnfetchableDocument(RuntimeError):
    """The document could not be had; the message says why."""


def fetch_json(url: str, *, allow_private: bool, setting: str) -> Any:
    """Fetch and parse a JSON document; `http:` only where private networks are allowed.

    Raises
    ------
    ForbiddenAddress, UnknownHost
        The URL may not be asked, or its host is not known.
    UnfetchableDocument
        No answer in time, another status than 200, more than `MAX_BYTES`, or no JSON.
    """
    address = resolve(url, allow_private=allow_private, setting=setting)
    if address.scheme != "https" and not allow_private:
        raise ForbiddenAddress(f"{url} must begin with https://")
    deadline = time.monotonic() + TIMEOUT_S
    with _open_pool(address) as pool:
        try:
            response = pool.request(
                "GET",
                address.path + (f"?{address.query}" if address.query else "") or "/",
                headers={"Host": address.host_header, "Accept": "application/json", "User-Agent": "Samsyn"},
                preload_content=False,
                redirect=False,
                retries=False,
            )
            body = _read(response, deadline)
        except urllib3.exceptions.HTTPError as error:
            raise UnfetchableDocument(f"{url}: {error}") from error
    if response.status != 200:
        raise UnfetchableDocument(f"{url} answered {response.status}")
    try:
        return json.loads(body)
    except ValueError as error:
        raise UnfetchableDocument(f"{url} is no JSON") from error


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    pieces, size = [], 0
    while piece := response.read1(1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BYTES or time.monotonic() > deadline:
            response.close()
            raise UnfetchableDocument(f"more than {MAX_BYTES} bytes, or longer than {TIMEOUT_S:g} s")
    return b"".join(pieces)


def _open_pool(address: Address) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(total=TIMEOUT_S)
    if address.scheme == "http":
        return urllib3.HTTPConnectionPool(address.ip, address.port, timeout=timeout, maxsize=1)
    return urllib3.HTTPSConnectionPool(
        address.ip,
        address.port,
        timeout=timeout,
        maxsize=1,
        server_hostname=address.host,
        assert_hostname=address.host,
    )
