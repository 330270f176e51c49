"""One FHIR message to somebody else's endpoint: taken when it answers 2xx, otherwise as a store would be.

Standard: FHIR R4 messaging.html (the message is posted; no response message is waited for)
"""

import ssl
from collections.abc import Callable, Iterable
from functools import partial

import urllib3

from repository.delivery.contents.messages import Message
from repository.delivery.receivers.address import Address
from repository.delivery.receivers.failure import FailedRequest, Failure
from repository.delivery.receivers.receiver import File, Receiver
from repository.delivery.receivers.store_answer import StoreAnswer
from repository.delivery.receivers.stow_rs import (
    ANSWER_TIMEOUT_S,
    PROBE_TIMEOUT_S,
    Connection,
    explain_connection,
    explain_status,
    open_connection,
    read_content,
)

MEDIA_TYPE = "application/fhir+json; charset=utf-8"
NO_LOGIN = frozenset({401, 403, 407})
NOT_NOW = frozenset({408, 429})


def connect(address: Address, token: str, context: ssl.SSLContext | None = None) -> Receiver:
    """Prepare to speak to a checked address; nothing is sent yet. `context` is for https."""
    connection = open_connection(address, token, context)
    return Receiver(
        store=_refuse_files,
        probe=partial(_probe, connection),
        close=connection.close,
        answer_timeout_s=ANSWER_TIMEOUT_S,
        post=partial(_post, connection),
    )


def _post(
    connection: Connection,
    message: Message,
    *,
    on_sent: Callable[[int], None],
    on_body_sent: Callable[[], None],
) -> None:
    on_body_sent()  # the lease is renewed for the time that all of it may take
    response = _request(connection, "POST", message.body, ANSWER_TIMEOUT_S)
    try:
        read_content(response)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise FailedRequest(explain_connection(error)) from error
    if not 200 <= response.status < 300:
        raise FailedRequest(explain_status(response, b""))  # what it says may repeat the patient
    on_sent(len(message.body))


def _probe(connection: Connection) -> None:
    """Ask for anything: that it answers, and not for a login, is enough."""
    response = _request(connection, "GET", None, PROBE_TIMEOUT_S)
    response.close()
    if response.status >= 500 or response.status in NO_LOGIN | NOT_NOW:
        raise FailedRequest(explain_status(response, b""))


def _request(
    connection: Connection, method: str, body: bytes | None, timeout_s: float
) -> urllib3.BaseHTTPResponse:
    address = connection.address
    headers = {"Host": address.host_header, "Accept": "application/fhir+json", "User-Agent": "Samsyn"}
    if connection.token:
        headers["Authorization"] = f"Bearer {connection.token}"
    if body is not None:
        headers["Content-Type"] = MEDIA_TYPE
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    try:
        return connection.pool.request(
            method,
            path,
            headers=headers,
            body=body,
            timeout=timeout_s,
            preload_content=False,
            redirect=False,
            retries=False,
        )
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise FailedRequest(explain_connection(error)) from error


def _refuse_files(
    files: Iterable[File], *, on_sent: Callable[[int], None], on_body_sent: Callable[[], None]
) -> StoreAnswer:
    raise FailedRequest(
        Failure("refused", "request_refused", "a system that is told by FHIR takes no images")
    )
