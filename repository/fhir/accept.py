"""Documents with their metadata are taken whole or not at all: bytes, then rows, then the answer.

Standard: IHE ITI TF-2 3.65.4.1.3, 3.41.4.1.3
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from access import audit
from access.actor import Actor
from access.database import write_transaction
from registry.affinity import affinity
from registry.documents import register
from registry.submission import (
    EntryDraft,
    Origin,
    Registered,
    RegistryError,
    Submission,
    SubmissionRefused,
)
from repository.document_store import OtherBytes, StoredContent, discard, keep, store_bytes


@dataclass(frozen=True, slots=True)
class Provided:
    """A submission and the bytes of its documents, by the id that each entry has within it."""

    submission: Submission
    contents: Mapping[str, bytes] = field(repr=False)
    minimal: bool = True


def accept(actor: Actor, provided: Provided, *, door: str) -> Registered:
    """Store the bytes and register what they are, in one transaction.

    Raises
    ------
    SubmissionRefused
        With everything that is wrong; nothing was kept.
    """
    errors = [error for entry in provided.submission.entries for error in _check(entry, provided)]
    if errors:
        raise SubmissionRefused(tuple(errors))
    entries = tuple(
        _complete(entry, provided.contents[entry.entry_uuid]) for entry in provided.submission.entries
    )
    submission = replace(provided.submission, entries=entries)
    stored = [
        store_bytes(provided.contents[entry.entry_uuid], entry.unique_id, entry.mime_type)
        for entry in entries
    ]
    try:
        return _register(actor, submission, stored, minimal=provided.minimal, door=door)
    except BaseException:
        for content in stored:
            discard(content)
        raise


def _register(
    actor: Actor, submission: Submission, stored: Sequence[StoredContent], *, minimal: bool, door: str
) -> Registered:
    with write_transaction():
        registered = register(submission, Origin(actor.scope.department_id, actor.subject), minimal=minimal)
        try:
            for content in stored:
                keep(content)
        except OtherBytes as error:
            raise SubmissionRefused((RegistryError("XDSNonIdenticalHash", error.unique_id),)) from error
        detail = {
            "documents": [content.unique_id for content in stored],
            "submission_set": submission.submission_sets[0].unique_id,
        }
        audit.record(actor, "store", door=door, detail=detail)
    return registered


def _check(entry: EntryDraft, provided: Provided) -> list[RegistryError]:
    content = provided.contents.get(entry.entry_uuid)
    if content is None:
        return [RegistryError("XDSMissingDocument", f"{entry.unique_id}: its bytes are not in the request")]
    errors = []
    if entry.hash and entry.hash != _sha1(content):
        errors.append(
            RegistryError(
                "XDSRepositoryMetadataError", f"{entry.unique_id}: the hash is not that of the bytes"
            )
        )
    if entry.size is not None and entry.size != len(content):
        text = f"{entry.unique_id}: size says {entry.size}, and there are {len(content)} bytes"
        errors.append(RegistryError("XDSRepositoryMetadataError", text))
    return errors


def _complete(entry: EntryDraft, content: bytes) -> EntryDraft:
    return replace(
        entry,
        hash=_sha1(content),
        size=len(content),
        repository_unique_id=affinity().repository_unique_id,
    )


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
