"""Providing documents: the bytes that lie in the object store become documents with their registration, or none do.

Every way in that brings bytes and metadata together ends here.

Standard: IHE ITI TF-2 3.41.4.1.3
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from django.db import IntegrityError

from access import audit
from access.actor import Actor
from access.database import run_write
from registry.affinity import affinity
from registry.documents import register
from registry.ihe.mtom import Attachment
from registry.models import DocumentEntry
from registry.submission import EntryDraft, Origin, Registered, RegistryError, Submission, SubmissionRefused
from repository.document_store import ExpiredContent, OtherBytes, StoredContent, keep
from repository.xds.kos_policy import check_key_object


def provide(
    submission: Submission, contents: Mapping[str, Attachment], actor: Actor, *, door: str
) -> Registered:
    """Register a submission with its documents.

    Parameters
    ----------
    contents
        The stored bytes by the id of the entry that they belong to.

    Raises
    ------
    SubmissionRefused
        With everything that is wrong; nothing was registered, and no bytes are a document's.
    """
    origin = Origin(actor.scope.department_id, actor.subject)
    errors = [*_check_documents(submission, contents), *_check_contents(submission, contents, origin)]
    if errors:
        raise SubmissionRefused(tuple(errors))
    entries = tuple(_complete(entry, contents[entry.entry_uuid]) for entry in submission.entries)
    whole = replace(submission, entries=entries)

    def work() -> Registered:
        registered = register(whole, origin)
        for entry in entries:
            _keep(entry, contents[entry.entry_uuid])
        _record(actor, whole, registered, door)
        return registered

    try:
        return run_write(work)
    except IntegrityError:
        return run_write(work)  # another was faster with an id; now it can be seen, and is named
    except ExpiredContent as error:
        raise SubmissionRefused((RegistryError("XDSRepositoryBusy", str(error)),)) from error


def _check_documents(submission: Submission, contents: Mapping[str, Attachment]) -> Iterator[RegistryError]:
    ids = [entry.entry_uuid for entry in submission.entries]
    for missing in (entry for entry in submission.entries if entry.entry_uuid not in contents):
        yield RegistryError(
            "XDSMissingDocument", f"no document for the entry {missing.entry_uuid}", missing.entry_uuid
        )
    for content_id in (content_id for content_id in contents if content_id not in ids):
        yield RegistryError(
            "XDSMissingDocumentMetadata", f"no entry for the document {content_id}", content_id
        )
    for unique_id, count in Counter(entry.unique_id for entry in submission.entries).items():
        if unique_id and count > 1:
            yield RegistryError(
                "XDSRepositoryDuplicateUniqueIdInMessage",
                f"the uniqueId {unique_id} comes {count} times",
                unique_id,
            )


def _check_contents(
    submission: Submission, contents: Mapping[str, Attachment], origin: Origin
) -> Iterator[RegistryError]:
    for entry in submission.entries:
        content = contents.get(entry.entry_uuid)
        if content is None:
            continue
        if entry.hash and entry.hash.lower() != content.sha1.hex():
            yield _differs(entry, "hash", entry.hash, content.sha1.hex())
        if entry.size is not None and entry.size != content.size_bytes:
            yield _differs(entry, "size", str(entry.size), str(content.size_bytes))
        yield from check_key_object(entry, content.key, content.size_bytes, origin)


def _differs(entry: EntryDraft, name: str, stated: str, found: str) -> RegistryError:
    text = f"{entry.unique_id}: {name} is {stated[:80]} in the metadata and {found} of the document"
    return RegistryError("XDSRepositoryMetadataError", text, entry.entry_uuid)


def _complete(entry: EntryDraft, content: Attachment) -> EntryDraft:
    return replace(
        entry,
        repository_unique_id=affinity().repository_unique_id,
        hash=content.sha1.hex(),
        size=content.size_bytes,
    )


def _keep(entry: EntryDraft, content: Attachment) -> None:
    stored = StoredContent(
        content.key, entry.unique_id, entry.mime_type, content.size_bytes, content.sha1, content.sha256
    )
    try:
        keep(stored)
    except OtherBytes as error:
        code = "XDSNonIdenticalSize" if error.size_bytes != content.size_bytes else "XDSNonIdenticalHash"
        raise SubmissionRefused((RegistryError(code, str(error), entry.unique_id),)) from error


def _record(actor: Actor, submission: Submission, registered: Registered, door: str) -> None:
    uuids = [registered.uuids.get(entry.entry_uuid, entry.entry_uuid) for entry in submission.entries]
    rows = DocumentEntry.objects.filter(entry_uuid__in=uuids).select_related("study")
    for row in rows:
        audit.record(
            actor,
            "store",
            door=door,
            patient_id=row.patient_id,
            study_instance_uid=row.study.study_instance_uid if row.study else "",
            detail={"document": row.unique_id},
        )
