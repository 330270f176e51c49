"""A process that sends deliveries of a test's database until it is killed or nothing has been ready for a while.

usage: python -m tests.support.delivery_worker DATABASE NAME IDLE_S FILE_BYTES [POISON_UID]

Its files are made up: the UID, a blank and padding up to a size. Reading the poisoned instance ends the process as
the kernel does when memory is out.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import django

BLOCK_BYTES = 1 << 16


def stream_padded(item: Any, wanted: str = "*", *, size_bytes: int, poison: str = "") -> Iterator[bytes]:
    """Yield a made-up file in blocks."""
    if item.sop_instance_uid == poison:
        os.kill(os.getpid(), signal.SIGKILL)
    content = f"{item.sop_instance_uid} ".encode().ljust(size_bytes, b".")
    for start in range(0, len(content), BLOCK_BYTES):
        yield content[start : start + BLOCK_BYTES]


def open_database(name: str) -> None:
    """Let this process work on a test's database instead of the settings' own."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings.test")
    django.setup()
    from django.db import connections

    database = connections["default"].settings_dict
    database["NAME"] = database["TEST"]["NAME"] = name


def main(worker: str, idle_s: float, size_bytes: int, poison: str) -> None:
    """Send until nothing is ready for `idle_s` seconds."""
    from repository.delivery.duties import send_ready
    from repository.delivery.send import Source
    from tests.repository.delivery.conftest import list_instances

    source = Source(list_instances, partial(stream_padded, size_bytes=size_bytes, poison=poison))
    last = time.monotonic()
    while time.monotonic() - last < idle_s:
        if send_ready(worker, source):
            last = time.monotonic()
        else:
            time.sleep(0.05)


if __name__ == "__main__":
    database, worker, idle, size, *rest = sys.argv[1:]
    if "/" in database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    open_database(database)
    main(worker, float(idle), int(size), rest[0] if rest else "")
