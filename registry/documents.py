"""Registering documents: a submission is taken whole, or nothing of it is.

Standard: IHE ITI TF-2 3.42.4.1.3, TF-3 4.2.2
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from django.db import transaction
from django.utils import timezone

from registry import changes
from registry.dtm import write_dtm
from registry.models import Association, DocumentEntry, Folder
from registry.models.document import APPROVED, DEPRECATED
from registry.submission import Origin, Registered, RegistryError, Submission, SubmissionRefused
from registry.submission_checks import (
    HAS_MEMBER,
    REPLACING,
    check_duplicates,
    check_service_times,
    check_submission,
)
from registry.submission_lookups import (
    Known,
    check_code_lists,
    check_ids,
    check_links,
    check_patients,
    check_unique_ids,
    deprecated_target,
    look_up,
)
from registry.submission_rows import Rows, insert_association, insert_rows, resolve_ids

FOLLOWING = ("APND", "XFRM")


def register(submission: Submission, origin: Origin, *, minimal: bool = False) -> Registered:
    """Register a submission; call it in a write transaction.

    Parameters
    ----------
    minimal
        Ask for the attributes only without which nothing can be found, as MHD's minimal metadata does.

    Returns
    -------
    Registered
        The UUID of every object by the id that it was sent with.

    Raises
    ------
    SubmissionRefused
        With everything that is wrong. Nothing was stored, whether or not the caller's transaction goes on.
    """
    with transaction.atomic():
        known = look_up(submission)
        errors = _collect_errors(submission, known, origin, minimal=minimal)
        if errors:
            raise SubmissionRefused(tuple(errors))
        uuids = resolve_ids(submission)
        rows = insert_rows(submission, origin, known, uuids)
        _replace(submission, rows, known)
        _touch_folders(submission, known)
        folders = [uuids[folder.entry_uuid] for folder in submission.folders]
        changes.append("documents_submitted", detail={"set": rows.submission_set.pk, "folders": folders})
        for entry in rows.entries:
            _append_change("document_registered", entry)
    return Registered(uuids)


def deprecate(entries: Iterable[DocumentEntry], *, replaced_by: str = "") -> list[DocumentEntry]:
    """Deprecate entries with what was appended to them and what they were transformed into.

    Returns those that were approved until now; call it in a write transaction.
    """
    held = list(entries)
    following = _find_following([entry.entry_uuid for entry in held])
    rows = [*held, *DocumentEntry.objects.select_related("study").filter(entry_uuid__in=following)]
    return [entry for entry in rows if _deprecate_one(entry, replaced_by)]


def _collect_errors(
    submission: Submission, known: Known, origin: Origin, *, minimal: bool
) -> list[RegistryError]:
    """Return all errors, in the order in which the standard checks."""
    found = chain(
        check_ids(submission, known),
        check_submission(submission, minimal=minimal),
        check_code_lists(submission),
        check_patients(submission, known),
        check_duplicates(submission),
        check_unique_ids(submission),
        check_links(submission, known, origin.department_id),
        check_service_times(submission),
    )
    return list(dict.fromkeys(found))


def _replace(submission: Submission, rows: Rows, known: Known) -> None:
    """Deprecate what is replaced, and let the new entry take its place in the folders."""
    for link in submission.associations:
        if link.kind in REPLACING:
            target, uuid = known.entries[link.target], rows.uuids[link.source]
            if not _deprecate_one(target, uuid):
                raise SubmissionRefused((deprecated_target(link),))  # another replaced it meanwhile
            following = DocumentEntry.objects.filter(entry_uuid__in=_find_following([link.target]))
            for entry in following.exclude(entry_uuid__in=[row.entry_uuid for row in rows.entries]):
                _deprecate_one(entry, uuid)
            _carry_folders(link.target, uuid, rows)


def _carry_folders(old_uuid: str, new_uuid: str, rows: Rows) -> None:
    sources = Association.objects.filter(kind=HAS_MEMBER, target_uuid=old_uuid, status=APPROVED)
    folders = Folder.objects.filter(entry_uuid__in=sources.values("source_uuid"), status=APPROVED)
    for folder in folders:
        if Association.objects.filter(
            kind=HAS_MEMBER, source_uuid=folder.entry_uuid, target_uuid=new_uuid
        ).exists():
            continue
        membership = insert_association(rows.submission_set, HAS_MEMBER, folder.entry_uuid, new_uuid)
        insert_association(
            rows.submission_set, HAS_MEMBER, rows.submission_set.entry_uuid, membership.entry_uuid
        )
        Folder.objects.filter(pk=folder.pk).update(last_update_time=write_dtm(timezone.now()))


def _touch_folders(submission: Submission, known: Known) -> None:
    touched = {link.source for link in submission.associations if link.source in known.folders}
    if touched:
        Folder.objects.filter(entry_uuid__in=touched).update(last_update_time=write_dtm(timezone.now()))


def _find_following(uuids: Sequence[str]) -> set[str]:
    """Return what was appended to or transformed from these, and from those in turn."""
    found: set[str] = set()
    newest = set(uuids)
    while newest:
        links = Association.objects.filter(kind__in=FOLLOWING, target_uuid__in=newest)
        newest = set(links.values_list("source_uuid", flat=True)) - found - set(uuids)
        found |= newest
    return found


def _deprecate_one(entry: DocumentEntry, replaced_by: str) -> bool:
    """Deprecate an entry that is still approved: of several who try at once, one does."""
    rows = DocumentEntry.objects.filter(pk=entry.pk, status=APPROVED)
    if not rows.update(status=DEPRECATED, updated_at=timezone.now()):
        return False
    entry.status = DEPRECATED
    _append_change("document_deprecated", entry, {"replaced_by": replaced_by} if replaced_by else {})
    return True


def _append_change(kind: str, entry: DocumentEntry, more: dict[str, Any] | None = None) -> None:
    study = entry.study
    detail = {
        "document": entry.unique_id,
        "entry": entry.pk,
        "patient": entry.patient_id,
        "maker": entry.maker,
    }
    changes.append(kind, study.study_instance_uid if study else "", detail | (more or {}))
