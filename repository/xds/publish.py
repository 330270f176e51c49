"""Publish studies: a study that fell quiet, lost images or changed hands gets new manifests in the registry.

The change feed only says which studies are due; each is then published by itself. One that cannot be is noted
with its error and tried again later, and never holds up the others.

Standard: IHE RAD TF-3 4.68.4.1.2.1 (replacement); IHE RAD MADO X.1.1.1
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import timedelta
from uuid import uuid4

import orjson
from django.conf import settings
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from access.database import run_write
from registry import changes
from registry.affinity import affinity
from registry.document_patients import write_patients
from registry.documents import deprecate, register
from registry.dtm import write_dtm
from registry.manifest.model import StudyContent
from registry.manifest.reading import read_content
from registry.models import Change, ChangeCursor, DocumentEntry, PatientFlag, Study
from registry.models.document import APPROVED
from registry.submission import (
    AssociationDraft,
    Code,
    EntryDraft,
    Origin,
    Submission,
    SubmissionSetDraft,
)
from repository.document_store import StoredContent, discard, keep, store_bytes
from repository.models import Publication
from repository.xds.key_objects import describe_key_objects
from repository.xds.manifests import draft_entry, make_manifests
from repository.xds.texts import publish_texts

log = logging.getLogger(__name__)

READER = "publish"
CHUNK = 200
AT_ONCE = 50
LEASE = timedelta(minutes=5)
LONGEST_WAIT_S = 3600
MAKERS = ("fhir", "mado", "kos")
"""In the order in which the former ones are replaced: what a document was transformed into goes before it."""
KINDS = frozenset(
    (
        "study_quiet",
        "instances_removed",
        "instances_restored",
        "patient_merged",
        "order_changed",
        "report_version",
        "harmonised",
    )
)


class Unpublishable(Exception):
    """The study cannot be published as it is; the message says why."""


class _OtherPublisher(Exception):
    """Another process did it meanwhile."""


def publish_due() -> int:
    """Note what the change feed brought, and publish what is due; returns how many studies were published.

    May run twice, also at the same time.
    """
    _note_changes()
    due = Publication.objects.filter(due_at__lte=timezone.now()).order_by("due_at", "pk")
    return sum(_attempt(row) for row in due[:AT_ONCE])


def ask_for(study_instance_uids: Iterable[str], *, anew: bool = False) -> None:
    """Let studies be published with the next run; `anew` also those about which nothing changed."""
    now = timezone.now()
    for uid in sorted(set(study_instance_uids)):
        row, created = Publication.objects.get_or_create(
            study_instance_uid=uid, defaults={"due_at": now, "asked_at": now}
        )
        if not created:
            more = {"digest": ""} if anew else {}
            since = Coalesce("asked_at", Value(now))
            mine = Publication.objects.filter(pk=row.pk)
            mine.update(due_at=now, asked=F("asked") + 1, asked_at=since, **more)


def publish_study(study_instance_uid: str) -> bool:
    """Publish one study; False if the documents say already what it holds.

    Raises
    ------
    Unpublishable
        Its patient has no number that documents could name.
    UnpublishedTexts
        The manifests are published, a report or request is not.
    """
    row, _ = Publication.objects.get_or_create(study_instance_uid=study_instance_uid)
    study = Study.objects.filter(study_instance_uid=study_instance_uid).first()
    content = read_content(study_instance_uid)
    if study is None or content is None:
        return _withdraw(study_instance_uid)
    content = describe_key_objects(content)
    patient_id = write_patients([study.person_id]).get(study.person_id)
    if patient_id is None:
        raise Unpublishable("the patient has no number under an issuer")
    confidentiality = _confidentiality_of(study)
    # The manifests come first: a text that cannot be published must not keep the images from those who wait.
    is_new = _publish_manifests(study, content, row.digest, patient_id, confidentiality)
    return bool(publish_texts(study, patient_id, confidentiality)) or is_new


def _publish_manifests(
    study: Study, content: StudyContent, known: str, patient_id: str, confidentiality: Code
) -> bool:
    digest = _digest(content, patient_id, confidentiality)
    if digest == known:
        return False
    made = make_manifests(content, timezone.now(), settings.MADO_CODES)
    drafts, stored = [], []
    try:
        for manifest in made:
            kept = store_bytes(manifest.body, manifest.unique_id, manifest.mime_type)
            stored.append(kept)
            draft = draft_entry(manifest, content, affinity(), patient_id, confidentiality)
            drafts.append(replace(draft, hash=kept.sha1.hex(), size=kept.size_bytes))
        run_write(lambda: _register(study, known, digest, drafts, stored))
    except BaseException:
        for kept in stored:
            discard(kept)
        raise
    return True


def _note_changes() -> None:
    ChangeCursor.objects.get_or_create(reader=READER)
    while True:
        cursor = changes.cursor_of(READER)
        read = changes.read_since(cursor, CHUNK)
        if not read:
            return
        try:
            run_write(lambda: _note_chunk(cursor, read))  # noqa: B023 (called at once)
        except _OtherPublisher:
            continue


def _note_chunk(cursor: int, read: list[Change]) -> None:
    # Moving the cursor first makes it the lock: of two the second finds it moved and writes nothing.
    if not ChangeCursor.objects.filter(reader=READER, position=cursor).update(position=read[-1].position):
        raise _OtherPublisher
    ask_for(
        change.study_instance_uid for change in read if change.kind in KINDS and change.study_instance_uid
    )


def _attempt(row: Publication) -> bool:
    """Publish one study that is due; whatever goes wrong with it is noted and does not reach the others."""
    taken = Publication.objects.filter(pk=row.pk, due_at=row.due_at, asked=row.asked)
    if not taken.update(due_at=timezone.now() + LEASE):
        return False  # another has it
    mine = Publication.objects.filter(pk=row.pk, asked=row.asked)
    try:
        is_published = publish_study(row.study_instance_uid)
    except _OtherPublisher:
        mine.update(due_at=timezone.now())
        return False
    except Exception as error:
        wait_s = min(LONGEST_WAIT_S, 5 * 2 ** min(row.attempts, 12))
        text = f"{type(error).__name__}: {error}"[:400]
        log.exception("study %s could not be published; tried again in %d s", row.pk, wait_s)
        later = timezone.now() + timedelta(seconds=wait_s)
        mine.update(due_at=later, attempts=F("attempts") + 1, error=text)
        return False
    mine.update(due_at=None, asked_at=None, attempts=0, error="")
    return is_published


def _withdraw(study_instance_uid: str) -> bool:
    """Deprecate the manifests of a study that nothing is left of."""

    def write() -> bool:
        former = [entry for maker in MAKERS for entry in _find_former(study_instance_uid, maker)]
        deprecate(former)
        Publication.objects.filter(pk=study_instance_uid).update(digest="")
        return bool(former)

    return run_write(write)


def _find_former(study_instance_uid: str, maker: str) -> list[DocumentEntry]:
    rows = DocumentEntry.objects.select_related("study").filter(
        study__study_instance_uid=study_instance_uid, maker=maker, status=APPROVED
    )
    return list(rows.order_by("pk"))


def _register(
    study: Study, known: str, digest: str, drafts: list[EntryDraft], stored: list[StoredContent]
) -> None:
    now = timezone.now()
    # Moving the digest first makes it the lock, and a second publisher writes nothing.
    moved = Publication.objects.filter(pk=study.study_instance_uid, digest=known)
    if not moved.update(digest=digest, published_at=now):
        raise _OtherPublisher
    domain = affinity()
    submission_set = SubmissionSetDraft(
        entry_uuid="submission",
        unique_id=f"2.25.{uuid4().int}",
        source_id=domain.source_id,
        patient_id=drafts[0].patient_id,
        submission_time=write_dtm(now),
        content_type_code=domain.manifest_codes.content_type_code,
        authors=drafts[0].authors,
        home_community_id=domain.home_community_id,
    )
    members = [
        AssociationDraft(f"member-{d.maker}", "HasMember", "submission", d.maker, "Original") for d in drafts
    ]
    former = {maker: _find_former(study.study_instance_uid, maker) for maker in MAKERS}
    links = [
        AssociationDraft(f"replaces-{maker}", "RPLC", maker, rows[-1].entry_uuid)
        for maker, rows in former.items()
        if rows
    ]
    links.append(AssociationDraft("transforms", "XFRM", "fhir", "mado"))
    for kept in stored:
        keep(kept)
    submission = Submission((submission_set,), tuple(drafts), (), (*members, *links))
    register(submission, Origin(study.custodian_id, "samsyn"))
    deprecate(entry for rows in former.values() for entry in rows[:-1])


def _confidentiality_of(study: Study) -> Code:
    flags = PatientFlag.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=timezone.now()), patient=study.person_id
    )
    kinds = {kind for kind in flags.values_list("kind", flat=True) if kind.startswith("protected_")}
    codes = affinity().confidentiality
    if "protected_3" in kinds:
        return codes.very_protected
    return codes.protected if kinds else codes.normal


def _digest(content: StudyContent, patient_id: str, confidentiality: Code) -> str:
    told = (asdict(content), patient_id, asdict(confidentiality), settings.MADO_CODES)
    return hashlib.sha256(orjson.dumps(told)).hexdigest()
