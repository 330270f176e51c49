"""A server of this installation for as long as a command needs one: the one that runs, or one of its own."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import urllib3

from deploy import server

LOOPBACK = "127.0.0.1"


class NoServer(ConnectionError):
    """Nothing answers at an address where a command cannot start a server itself."""


@contextmanager
def running_server(url: str) -> Iterator[str]:
    """Give the DICOMweb base of this installation: `url`, or that of a server that ends with the `with` block.

    Raises
    ------
    NoServer
        Nothing answers at `url`, and it is not on this machine.
    ServerDidNotStart
        See `deploy.server`.
    """
    parts = urlsplit(url)
    if _answers(f"{parts.scheme}://{parts.netloc}/readyz"):
        yield url
        return
    if parts.hostname not in (LOOPBACK, "localhost", "::1"):
        raise NoServer(f"no server answers at {url}")
    address = server.Address(LOOPBACK, _find_free_port())
    web = server.start_web(address)
    try:
        server.wait_until_ready(address, web)
        yield f"{address.url}{parts.path}"
    finally:
        server.stop_processes([web])


def _answers(url: str) -> bool:
    try:
        return urllib3.request("GET", url, timeout=3, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
