"""Store: parts in, packs durable, one transaction, a result for every part.

Every way in calls `store()`: STOW-RS, C-STORE, import, manifests. Memory is constant: a small part is
held until its header was read, a large one goes straight into its study's pack.

Standard: PS3.18 10.5, PS3.18 Annex I.2
"""

import mmap
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.utils import timezone

from access.actor import Actor
from access.database import release
from access.source_policy import keeps_first
from registry.facts import SeriesFacts, StudyFacts, series_facts, study_facts
from registry.identity import Demographics
from registry.received import Outcome
from registry.register import Registration, is_same_patient, refusal_of
from repository.coerce_on_store import (
    NOTHING,
    Coercion,
    CoercionPolicy,
    decide_coercion,
    read_policy,
    recognise,
    tell_coercion,
)
from repository.coercion import apply_coercion
from repository.frames import find_frames
from repository.header.errors import MissingFileMeta, Part10Error
from repository.header.model import Header
from repository.known_instances import KnownInstance, compare, digest, find_known, is_known_study
from repository.objects.selection import open_store
from repository.open_packs import OpenPack, OpenPacks, WrittenPack
from repository.part10 import complete_file, read_header
from repository.part_results import accepted, refused
from repository.peek import peek_study_instance_uid
from repository.segments import PreparedInstance, prepare_instance
from repository.store_commit import commit_packs, source_department
from repository.store_result import (
    OUT_OF_RESOURCES,
    REFUSALS,
    STUDY_MISMATCH,
    PartResult,
    keep_first,
)

BUFFER_BYTES = 2 << 20
_UID = re.compile(r"[0-9.]{1,64}")
PATIENT_TAGS = ("00100010", "00100020", "00100021", "00100024", "00100030", "00100040")


class Part(Protocol):
    """One part as it arrives."""

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Yield the bytes of the part, once."""
        ...


@dataclass(slots=True)
class _Request:
    actor: Actor
    packs: OpenPacks
    study_in_path: str | None
    coercion: CoercionPolicy | None
    results: list[PartResult] = field(default_factory=list)
    seen: dict[str, KnownInstance] = field(default_factory=dict)
    known_studies: dict[str, bool] = field(default_factory=dict)
    study_facts: dict[str, StudyFacts] = field(default_factory=dict)
    series_facts: dict[str, SeriesFacts] = field(default_factory=dict)
    patients: dict[str, tuple[object, ...]] = field(default_factory=dict)
    described: dict[str, list[Demographics]] = field(default_factory=dict)
    strangers: Counter[str] = field(default_factory=Counter)
    keeps_first: bool | None = None
    refusals: dict[object, Outcome | None] = field(default_factory=dict)


def store(
    parts: Iterable[Part],
    actor: Actor,
    *,
    door: str,
    study_in_path: str | None = None,
    path: Sequence[str] = (),
) -> tuple[PartResult, ...]:
    """Store what the parts hold; returns one result a part, in their order.

    Nothing is answered before it is durable: packs first, then one transaction. When reading the parts
    raises (a cut body), nothing of the request stays.

    Parameters
    ----------
    study_in_path : str, optional
        Instances of any other study fail.
    path
        Installations that the instances have passed before this one.

    Raises
    ------
    StorageBusy
        A pack was condemned meanwhile; the sender must try again.
    """
    received_at = timezone.now()
    packs = OpenPacks(open_store(), actor, received_at)
    request = _Request(actor, packs, study_in_path, read_policy(actor, received_at))
    try:
        for number, part in enumerate(parts, start=1):
            request.results.append(_take_part(request, number, part))
        written = _add_patients(request, request.packs.finish())
    except BaseException:
        request.packs.abandon()
        raise
    registrations = commit_packs(written, request.results, actor, door, path)
    return tuple(_settle(result, registrations) for result in request.results)


def _take_part(request: _Request, number: int, part: Part) -> PartResult:
    try:
        chunks = part.chunks()
        head, is_whole = _buffer(chunks)
        if is_whole:
            return _take_small(request, number, head)
        study_instance_uid = None if request.coercion else peek_study_instance_uid(head)
        if study_instance_uid is None:
            return _take_scratch(request, number, head, chunks)
        return _take_large(request, number, study_instance_uid, head, chunks)
    except Part10Error as error:
        named = (error.sop_class_uid, error.sop_instance_uid)
        known = named if all(map(_UID.fullmatch, named)) else ("", "")
        return PartResult(number, *known, failure_reason=error.failure_reason, comment=str(error))


def _buffer(chunks: Iterator[bytes | memoryview]) -> tuple[bytes, bool]:
    """Collect up to BUFFER_BYTES; the flag says whether that was all."""
    pieces, total = [], 0
    for chunk in chunks:
        pieces.append(chunk)
        total += len(chunk)
        if total > BUFFER_BYTES:
            return b"".join(pieces), False
    return b"".join(pieces), True


def _take_small(request: _Request, number: int, data: bytes) -> PartResult:
    try:
        header = read_header(data)
    except MissingFileMeta:
        data = complete_file(data)
        header = read_header(data)
    sent, sent_header = data, header
    coercion = decide_coercion(request.coercion, sent, sent_header)
    if coercion.splices:
        data = b"".join(apply_coercion(sent, coercion.splices))
        header = read_header(data)
    early = _check(request, number, header) or _check_known(request, number, sent_header, sent)
    if early is not None:
        return early
    study, prepared = _prepare(request, header, data)
    pack = request.packs.of_study(header.study_instance_uid)
    pack.writer.begin_part(header.transfer_syntax_uid)
    pack.writer.write(data)
    return _keep_part(request, number, pack, header, study, prepared, coercion)


def _take_large(
    request: _Request,
    number: int,
    study_instance_uid: str,
    head: bytes,
    chunks: Iterator[bytes | memoryview],
    coercion: Coercion | None = None,
) -> PartResult:
    pack = request.packs.of_study(study_instance_uid)
    pack.writer.begin_part()
    try:
        total = len(head)
        pack.writer.write(head)
        for chunk in chunks:
            total += len(chunk)
            _check_size(total)
            pack.writer.write(chunk)
        with pack.writer.part_view() as view:
            header = read_header(view)
            early = None
            if coercion is None:  # else it was checked as it was sent
                early = _check(request, number, header) or _check_known(request, number, header, view)
            study, prepared = _prepare(request, header, view)
    except BaseException:
        pack.writer.drop_part()
        raise
    if early is not None:
        pack.writer.drop_part()
        return early
    return _keep_part(request, number, pack, header, study, prepared, coercion or NOTHING)


def _keep_part(
    request: _Request,
    number: int,
    pack: OpenPack,
    header: Header,
    study: StudyFacts,
    prepared: PreparedInstance,
    coercion: Coercion,
) -> PartResult:
    """Keep what was written as this instance; within the request it is known by what was sent."""
    sha256 = pack.add(study, prepared)
    request.seen[header.sop_instance_uid] = _known_as(header, coercion.sent_sha256 or sha256)
    request.packs.close_if_full(pack)
    result = accepted(number, header, prepared)
    if coercion.remark:
        return replace(result, warnings=(*result.warnings, coercion.remark))
    return tell_coercion(result, header.attributes) if coercion.splices else result


def _take_scratch(
    request: _Request, number: int, head: bytes, chunks: Iterator[bytes | memoryview]
) -> PartResult:
    """Take a large part whose study cannot be seen from its first bytes, or that may be coerced: by a scratch file."""
    Path(settings.SPOOL_ROOT).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=settings.SPOOL_ROOT) as scratch:
        total = scratch.write(head)
        for chunk in chunks:
            total += len(chunk)
            _check_size(total)
            scratch.write(chunk)
        scratch.flush()
        with mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ) as view:
            header = read_header(view)
            early = _check(request, number, header) or _check_known(request, number, header, view)
            if early is not None:
                return early
            coercion = decide_coercion(request.coercion, view, header)
            pieces = apply_coercion(view, coercion.splices)
            return _take_large(request, number, header.study_instance_uid, next(pieces), pieces, coercion)


def _check_size(total: int) -> None:
    if total > settings.MAX_INSTANCE_BYTES:
        error = Part10Error(f"the instance is larger than {settings.MAX_INSTANCE_BYTES} bytes")
        error.failure_reason = OUT_OF_RESOURCES
        raise error


def _check(request: _Request, number: int, header: Header) -> PartResult | None:
    if request.study_in_path and header.study_instance_uid != request.study_in_path:
        comment = (
            f"The instance belongs to study {header.study_instance_uid}, the request is for study"
            f" {request.study_in_path}."
        )
        return refused(number, header, STUDY_MISMATCH, "of another study than the request is for", comment)
    return _check_patient(request, number, header)


def _check_patient(request: _Request, number: int, header: Header) -> PartResult | None:
    """Refuse an instance that names another patient than those of its study that came before it in the request."""
    uid = header.study_instance_uid
    first = request.study_facts.get(uid)
    if first is None or request.patients[uid] == _patient_of(header):
        return None
    facts = study_facts(header.attributes)
    is_same = is_same_patient(first, facts, request.actor.scope.department_id)
    release()
    if is_same:
        request.described.setdefault(uid, []).append(facts.demographics)
        return None
    request.strangers[uid] += 1
    return refused(number, header, *REFUSALS[Outcome.OTHER_PATIENT])


def _patient_of(header: Header) -> tuple[object, ...]:
    return tuple(header.attributes.get(tag) for tag in PATIENT_TAGS)


def _add_patients(request: _Request, written: list[WrittenPack]) -> list[WrittenPack]:
    """Say with the first pack of each study what its instances said about its patient."""
    told = []
    for pack in written:
        uid = pack.received.study.study_instance_uid
        described = tuple(dict.fromkeys(request.described.pop(uid, ())))
        received = replace(pack.received, described=described, strangers=request.strangers.pop(uid, 0))
        told.append(replace(pack, received=received))
    return told


def _check_known(
    request: _Request, number: int, header: Header, data: bytes | memoryview | mmap.mmap
) -> PartResult | None:
    """Recognise an instance that was stored before, in this request or an earlier one, without writing it."""
    uid = header.sop_instance_uid
    seen = request.seen.get(uid)
    known = seen
    if known is None and _study_is_known(request, header.study_instance_uid):
        known = find_known(uid)
        release()
    if known is None:
        return None
    sent = _known_as(header, digest(data))
    outcome = compare(known, sent)
    if outcome is Outcome.DUPLICATE:
        return accepted(number, header)
    stored = recognise(data, header, known) if outcome is Outcome.OTHER_BYTES and seen is None else None
    release()
    if stored is not None:
        return tell_coercion(accepted(number, header), stored)
    if outcome is Outcome.OTHER_BYTES and _keeps_first(request):
        outcome = Outcome.FIRST_KEPT if seen else _refusal_of(request, header) or Outcome.FIRST_KEPT
        release()
    if outcome is Outcome.FIRST_KEPT:
        return replace(keep_first(accepted(number, header)), other_sha256=sent.sha256)
    return replace(refused(number, header, *REFUSALS[outcome]), other_sha256=sent.sha256)


def _keeps_first(request: _Request) -> bool:
    if request.keeps_first is None:
        request.keeps_first = keeps_first(request.actor)
    return request.keeps_first


def _refusal_of(request: _Request, header: Header) -> Outcome | None:
    """Tell why the study would not take the instance from this sender, if its UID were free."""
    key = (header.study_instance_uid, *map(str, _patient_of(header)))
    if key not in request.refusals:
        department = source_department(request.actor)
        facts = study_facts(header.attributes)
        request.refusals[key] = refusal_of(header.study_instance_uid, facts, department)
    return request.refusals[key]


def _known_as(header: Header, sha256: bytes) -> KnownInstance:
    return KnownInstance(header.study_instance_uid, header.series_instance_uid, sha256)


def _place(header: Header) -> str:
    return f"{header.study_instance_uid}/{header.series_instance_uid}"


def _study_is_known(request: _Request, study_instance_uid: str) -> bool:
    if study_instance_uid not in request.known_studies:
        request.known_studies[study_instance_uid] = is_known_study(study_instance_uid)
        release()
    return request.known_studies[study_instance_uid]


def _prepare(
    request: _Request, header: Header, data: bytes | memoryview | mmap.mmap
) -> tuple[StudyFacts, PreparedInstance]:
    """Take out what is kept; study and series speak through the first instance that the request brings of them."""
    frames, findings = find_frames(data, header)
    study = request.study_facts.get(header.study_instance_uid)
    if study is None:
        study = request.study_facts[header.study_instance_uid] = study_facts(header.attributes)
        request.patients[header.study_instance_uid] = _patient_of(header)
    series = request.series_facts.get(_place(header))
    if series is None:
        series = request.series_facts[_place(header)] = series_facts(header.attributes)
    return study, prepare_instance(header, series, frames, findings)


def _settle(result: PartResult, registrations: dict[str, Registration]) -> PartResult:
    """Let registration have the last word about what it saw; what was stored before the request it did not see."""
    registration = registrations.get(result.study_instance_uid)
    if result.failure_reason is not None or registration is None:
        return result
    outcome = registration.outcomes.get(result.sop_instance_uid)
    if outcome is None or outcome is Outcome.STORED or (result.is_first_kept and outcome.is_accepted):
        return result
    if outcome is Outcome.DUPLICATE:
        return replace(result, is_duplicate=True)
    if outcome is Outcome.FIRST_KEPT:
        return keep_first(result)
    reason, summary, comment = REFUSALS[outcome]
    return replace(result, failure_reason=reason, summary=summary, comment=comment, is_duplicate=False)
