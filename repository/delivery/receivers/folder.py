"""A folder as a receiver: one file an instance, whole or not there.

Standard: PS3.10 (the files; the folder is no DICOM file-set)
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from registry.identity import is_oid
from repository.delivery.receivers.address import ForbiddenAddress
from repository.delivery.receivers.failure import FailedRequest, Failure
from repository.delivery.receivers.receiver import File, Receiver
from repository.delivery.receivers.store_answer import StoreAnswer

WRITE_TIMEOUT_S = 120.0


def connect(url: str) -> Receiver:
    """Prepare to write below a folder (`file:///mnt/export/ward`).

    Raises
    ------
    ForbiddenAddress
        The folder is not below one that `SAMSYN_EXPORT_FOLDERS` allows.
    """
    parts = urlsplit(url)
    folder = Path(os.path.normpath(unquote(parts.path)))
    allowed = [Path(root) for root in settings.EXPORT_FOLDERS]
    resolved = folder.resolve()
    if parts.netloc or not any(resolved.is_relative_to(root.resolve()) for root in allowed):
        raise ForbiddenAddress(f"{folder} is not below a folder that SAMSYN_EXPORT_FOLDERS names")
    return Receiver(
        store=partial(_store, resolved),
        probe=partial(_probe, resolved),
        close=_close,
        answer_timeout_s=WRITE_TIMEOUT_S,
        withdraw=partial(_withdraw, resolved),
    )


def _store(
    folder: Path, files: Iterable[File], *, on_sent: Callable[[int], None], on_body_sent: Callable[[], None]
) -> StoreAnswer:
    stored = set()
    for file in files:
        try:
            _write(folder, file, on_sent)
        except OSError as error:
            raise FailedRequest(_explain(error)) from error
        stored.add(file.sop_instance_uid)
    on_body_sent()
    return StoreAnswer(frozenset(stored), {}, frozenset())


def _write(folder: Path, file: File, on_sent: Callable[[int], None]) -> None:
    """Write to a name of its own, then give it the one that readers look for: nobody sees half a file."""
    uids = (file.instance.study_instance_uid, file.instance.series_instance_uid, file.sop_instance_uid)
    if not all(map(is_oid, uids)):  # a store lets none in; what names files is asked again
        raise FailedRequest(Failure("source", "source_unreadable", f"no UIDs that can name files: {uids}"))
    target = folder / uids[0] / uids[1]
    target.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=target)
    try:
        with os.fdopen(descriptor, "wb") as out:
            for block in file.open():
                out.write(block)
                on_sent(len(block))
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(0o640)
        Path(name).replace(target / f"{file.sop_instance_uid}.dcm")
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _withdraw(folder: Path, places: Sequence[tuple[str, str, str]]) -> None:
    """Remove files, and the folders that are empty then."""
    for uids in places:
        if not all(map(is_oid, uids)):
            raise FailedRequest(Failure("refused", "request_refused", f"no UIDs that can name files: {uids}"))
        target = folder / uids[0] / uids[1]
        try:
            (target / f"{uids[2]}.dcm").unlink(missing_ok=True)
        except OSError as error:
            raise FailedRequest(_explain(error)) from error
        for empty in (target, target.parent):
            with contextlib.suppress(OSError):  # not empty, or gone
                empty.rmdir()


def _probe(folder: Path) -> None:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise FailedRequest(
            Failure("retry", "receiver_error", f"{folder} is no folder that can be written to")
        )


def _explain(error: OSError) -> Failure:
    text = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
    return Failure("retry", "receiver_full" if error.errno in (28, 122) else "receiver_error", text)


def _close() -> None:
    return None
