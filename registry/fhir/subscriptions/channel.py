"""One notification over HTTP: to a checked address, without following anything, in bounded time.

Standard: Subscriptions R5 Backport, REST-Hook
"""

from dataclasses import dataclass

import urllib3

from access.address import Address, ForbiddenAddress, UnknownHost
from registry.fhir.subscriptions.order import resolve_endpoint

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent: where, with which headers of the subscriber, and the body."""

    endpoint: str
    headers: tuple[str, ...]
    media_type: str
    body: bytes


def post(message: Message) -> str:
    """Send a notification; returns why it was not taken, empty when it was. The address is resolved anew each time."""
    try:
        address = resolve_endpoint(message.endpoint)
    except ForbiddenAddress as error:
        return f"the address may not be asked: {error}"[:400]
    except UnknownHost as error:
        return f"the host is not known: {error}"[:400]
    headers = dict(line.split(":", 1) for line in message.headers)
    headers = {name.strip(): value.strip() for name, value in headers.items()}
    headers |= {"Host": address.host_header, "Content-Type": message.media_type, "User-Agent": "Samsyn"}
    try:
        with _open_pool(address) as pool:
            answer = pool.request(
                "POST",
                (address.path or "/") + (f"?{address.query}" if address.query else ""),
                body=message.body,
                headers=headers,
                preload_content=False,
                redirect=False,
                retries=False,
            )
            status = answer.status
            answer.close()
    except urllib3.exceptions.HTTPError as error:
        return f"no answer: {type(error).__name__}"
    return "" if 200 <= status < 300 else f"the receiver answered {status}"


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
