"""Files into requests, answers into outcomes: no bad file sinks the good ones beside it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from deploy.importing.outcomes import FileOutcome, Outcome
from deploy.importing.sources import Found, Source
from deploy.importing.stow_client import ALREADY_STORED, StoreAnswer, StowServer, store_instances
from repository.header.errors import DirectoryFile, MissingFileMeta, NotPart10
from repository.part10 import Part10Error, complete_file, read_header

MAX_BATCH_INSTANCES = 100
MAX_BATCH_BYTES = 64 << 20

Record = Callable[[FileOutcome], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file in memory with the SOP Instance UID that the answer will speak of."""

    path: str
    content: bytes
    sop_instance_uid: str


@dataclass(slots=True)
class _Batch:
    """What waits to be sent."""

    files: list[Loaded] = field(default_factory=list)
    size_bytes: int = 0

    def has_room_for(self, file: Loaded) -> bool:
        """Say whether the file may go with the others: an answer must be able to tell them apart."""
        return (
            len(self.files) < MAX_BATCH_INSTANCES
            and self.size_bytes + len(file.content) <= MAX_BATCH_BYTES
            and all(other.sop_instance_uid != file.sop_instance_uid for other in self.files)
        )

    def add(self, file: Loaded) -> None:
        """Take one more."""
        self.files.append(file)
        self.size_bytes += len(file.content)


def import_sources(server: StowServer, found: Iterable[Found], record: Record) -> None:
    """Send everything that was found and record what became of each file.

    Memory holds one batch; a file larger than a batch is sent alone and never held in memory.

    Raises
    ------
    ServerUnreachable, NotAuthorised
        The rest was not sent and is not recorded.
    """
    batch = _Batch()
    for item in found:
        if isinstance(item, FileOutcome):
            record(item)
        elif item.size_bytes > MAX_BATCH_BYTES:
            record(_send_large(server, item))
        else:
            batch = _take(server, batch, item, record)
    _send_batch(server, batch.files, record)


def _take(server: StowServer, batch: _Batch, source: Source, record: Record) -> _Batch:
    """Add a file to the batch, or send it alone if it does not say who it is; send a batch that is full."""
    try:
        with source.open() as view:
            content = bytes(view)
    except OSError as error:
        record(FileOutcome(source.path, Outcome.REFUSED, f"cannot be read: {error.strerror}"))
        return batch
    settled, uid = _identify(source.path, content)
    if settled is not None:
        record(settled)
        return batch
    if not uid:
        record(_send_alone(server, Loaded(source.path, content, "")))
        return batch
    file = Loaded(source.path, content, uid)
    if not batch.has_room_for(file):
        _send_batch(server, batch.files, record)
        batch = _Batch()
    batch.add(file)
    return batch


def _identify(path: str, content: bytes | memoryview) -> tuple[FileOutcome | None, str]:
    """Read the SOP Instance UID, empty if only the server can say what is wrong; settle what is no instance."""
    try:
        try:
            return None, read_header(content).sop_instance_uid
        except MissingFileMeta:
            return None, read_header(complete_file(content)).sop_instance_uid
    except NotPart10 as error:
        return FileOutcome(path, Outcome.REFUSED, str(error)), ""
    except DirectoryFile as error:
        return FileOutcome(path, Outcome.SKIPPED, str(error)), ""
    except Part10Error:
        return None, ""


def _send_batch(server: StowServer, files: Sequence[Loaded], record: Record) -> None:
    """Send files in one request; those that its answer does not settle are sent again one by one."""
    if not files:
        return
    answer = store_instances(server, [file.content for file in files])
    for file in files:
        outcome = _settle(file, answer)
        if outcome is None and len(files) > 1:
            record(_send_alone(server, file))
        else:
            record(outcome or _settle_alone(file.path, answer))


def _send_alone(server: StowServer, file: Loaded) -> FileOutcome:
    answer = store_instances(server, [file.content])
    return _settle(file, answer) or _settle_alone(file.path, answer)


def _send_large(server: StowServer, source: Source) -> FileOutcome:
    try:
        with source.open() as view:
            settled, uid = _identify(source.path, view)
            if settled is not None:
                return settled
            answer = store_instances(server, [view])
    except OSError as error:
        return FileOutcome(source.path, Outcome.REFUSED, f"cannot be read: {error.strerror}")
    return _settle(Loaded(source.path, b"", uid), answer) or _settle_alone(source.path, answer)


def _settle(file: Loaded, answer: StoreAnswer) -> FileOutcome | None:
    """Tell what the answer says about a file by its UID; None if it says nothing."""
    if file.sop_instance_uid in answer.stored:
        comment = answer.stored[file.sop_instance_uid]
        if file.sop_instance_uid in answer.differing:
            return FileOutcome(file.path, Outcome.DIFFERS, comment)
        is_duplicate = comment.startswith(ALREADY_STORED)
        return FileOutcome(file.path, Outcome.DUPLICATE if is_duplicate else Outcome.STORED, comment)
    if file.sop_instance_uid in answer.failed:
        return FileOutcome(file.path, Outcome.REFUSED, answer.failed[file.sop_instance_uid])
    return None


def _settle_alone(path: str, answer: StoreAnswer) -> FileOutcome:
    """Tell what became of the only file of a request, whatever UID the server speaks of."""
    failures = (*answer.failed.values(), *answer.others)
    if failures:
        return FileOutcome(path, Outcome.REFUSED, failures[0])
    if answer.stored:
        comment = next(iter(answer.stored.values()))
        return FileOutcome(path, Outcome.STORED, comment)
    reason = answer.error or f"the server answered {answer.status} and named no instance"
    return FileOutcome(path, Outcome.REFUSED, reason)
