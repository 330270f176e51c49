"""A process that sends deliveries of a test's database until it is killed or nothing has been ready for a while.

Its files are made up (the UID, a blank and padding up to a size), or those of `--packs FOLDER`. Reading the instance
`--poison` names ends the process as the kernel does when memory is out. `--file-limit` is the most bytes that a file it
writes may have: beyond them writing fails as on a full disk.
"""

import argparse
import os
import resource
import signal
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


def find_source(arguments: argparse.Namespace) -> Any:
    """Return where the files come from."""
    from repository.delivery.send import Source

    if arguments.packs:
        from django.conf import settings

        from repository.retrieve import instances_to_send, stream_file

        settings.OBJECTS_ROOT = Path(arguments.packs) / "objects"
        settings.SPOOL_ROOT = Path(arguments.packs) / "spool"
        return Source(instances_to_send, stream_file)
    from tests.repository.delivery.conftest import list_instances

    return Source(list_instances, partial(stream_padded, size_bytes=arguments.bytes, poison=arguments.poison))


def main(arguments: argparse.Namespace) -> None:
    """Send until nothing has been ready for `--idle` seconds."""
    from repository.delivery.duties import send_ready

    source = find_source(arguments)
    if arguments.file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_limit, arguments.file_limit))
    last = time.monotonic()
    while time.monotonic() - last < arguments.idle:
        if send_ready(arguments.name, source):
            last = time.monotonic()
        else:
            time.sleep(0.05)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database")
    parser.add_argument("--name", default="w")
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument("--bytes", type=int, default=64)
    parser.add_argument("--poison", default="")
    parser.add_argument("--packs", default="")
    parser.add_argument("--file-limit", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    given = read_arguments()
    open_database(given.database)
    main(given)
