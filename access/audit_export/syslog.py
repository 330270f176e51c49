"""Syslog messages over TLS: written, framed, sent, and known to have arrived.

Standard: RFC 5424, RFC 5425, PS3.15 A.6
"""

import contextlib
import fcntl
import os
import socket
import ssl
import struct
import termios
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from access.seals.canonical import format_time

PRIORITY = 10 * 8 + 5
"""Facility 10 (security and authorisation), severity 5 (notice)."""
AUDIT_MESSAGE = "DICOM+RFC3881"
SEAL_MESSAGE = "SAMSYN+SEAL"
APPLICATION = "samsyn"
TIMEOUT_S = 10.0
POLL_S = 0.005
_BOM = "\ufeff".encode()
_LAST_SEQUENCE = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Repository:
    """An audit record repository, and the files that we know each other by.

    Parameters
    ----------
    ca_file : str
        Certificates of authorities that the repository's certificate must come from; empty for those of the system.
    certificate_file, key_file : str
        Our own certificate and key; empty if the repository asks for none.
    """

    host: str
    port: int = 6514
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


class RepositoryUnreachable(ConnectionError):
    """What was sent may not have arrived: send it again later."""


def write_syslog(
    message: bytes, *, recorded_at: datetime, message_id: str, number: int, host: str = "-"
) -> bytes:
    """Return a message of RFC 5424.

    Parameters
    ----------
    number
        Of the row: the receiver knows a message that was sent twice by it (`sequenceId`, modulo 2^31 - 1).
    """
    sequence = (number - 1) % _LAST_SEQUENCE + 1
    head = (
        f"<{PRIORITY}>1 {format_time(recorded_at)} {host or '-'} {APPLICATION} {os.getpid()} {message_id}"
        f' [meta sequenceId="{sequence}"] '
    )
    return head.encode("ascii", "replace") + _BOM + message


def send(repository: Repository, messages: Iterable[bytes]) -> None:
    """Send messages over one connection, and return only when the other side has read them all.

    We say when we are done, the other side then closes. It resets the connection if it had not read everything, and
    does not close at all if it hangs: both count as not arrived. (Syslog itself has no acknowledgement.)

    Raises
    ------
    RepositoryUnreachable
        No connection, an untrusted certificate, or no orderly end: some of the messages may not have arrived.
    """
    try:
        with socket.create_connection((repository.host, repository.port), TIMEOUT_S) as plain:
            connection = _context_of(repository).wrap_socket(plain, server_hostname=repository.host)
            with connection:
                for message in messages:
                    connection.sendall(b"%d %b" % (len(message), message))
                _await_end(connection)
    except (OSError, ssl.SSLError) as error:
        name = f"{repository.host}:{repository.port}"
        raise RepositoryUnreachable(
            f"the audit repository {name} did not take the messages: {error}"
        ) from error


def _context_of(repository: Repository) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=repository.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if repository.certificate_file:
        context.load_cert_chain(repository.certificate_file, repository.key_file or None)
    return context


def _await_end(connection: ssl.SSLSocket) -> None:
    """Say that nothing more comes, and wait until the other side has taken everything and closed."""
    # Some receivers close without a last word of TLS; how the connection below it ended tells.
    with contextlib.suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        connection.unwrap()
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(4096):
        pass
    _await_acknowledgement(connection)


def _await_acknowledgement(connection: socket.socket) -> None:
    """Wait until the last byte is acknowledged: who closed before it came answers it with a reset.

    A receiver that refuses our certificate closes at once, maybe before what we sent has reached it: its end alone
    proves nothing.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        (unacknowledged_bytes,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
        if not unacknowledged_bytes:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{unacknowledged_bytes} bytes were not acknowledged")
        time.sleep(POLL_S)
