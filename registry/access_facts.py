"""From a patient's record to the facts about one study, as the decision takes them: no database here."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from access.actor import Actor
from access.models import SharingAgreement
from access.policy import Agreement, Basis, BlockKind, Distance, Facts, Prompt
from registry.access_rows import Entry, PatientRecord

DELIVERY = "delivery"
READING = "reading"
PRIOR = "prior"
INCAPACITY = "incapacity"
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StudyPlace:
    """Where a study belongs: what a decision needs of its row. Without custodian it belongs to nobody."""

    pk: int
    person_id: int
    unit_id: int | None
    provider_id: int | None
    study_date: str
    in_conflict: bool = False
    is_at_home: bool = False
    """At home with the actor's department; asked only of a study in conflict."""


def facts_of(actor: Actor, study: StudyPlace, record: PatientRecord) -> Facts:
    """Return the facts about one study of the patient, seen from the actor."""
    scope = actor.scope
    own_units = own_units_of(actor)
    flags = {entry.text for entry in record.of("flag")}
    inner, outer = _blocks_on(study, record, scope.provider_id)
    distance = _distance(actor, study, is_inner_blocked=bool(inner))
    blocks = [] if distance == "own_unit" else inner + (outer if distance == "other_provider" else [])
    user_id = actor.subject_id if actor.kind == "person" else None
    block, lift = _strictest(blocks, record, own_units, user_id)
    agreed = any(
        entry.one == study.provider_id and entry.text == SharingAgreement.COHESIVE
        for entry in record.of("agreement")
    )
    agreement: Agreement = "cohesive" if agreed else "none"
    return Facts(
        distance=distance,
        is_closed=study.in_conflict and not (study.is_at_home and study.unit_id == scope.unit_id),
        is_own_record=any(record.of("own")),
        agreement=agreement if distance == "other_provider" else "none",
        has_opted_out="opted_out" in flags,
        block=block,
        lift=lift,
        participation=_longest(e for e in record.of("participation") if e.one == study.pk),
        relation=_longest(e for e in record.of("relation") if e.one in own_units),
        choice=_longest(e for e in record.of("choice") if e.one == study.unit_id),
        consent=_longest(e for e in _consents_for(actor, record) if e.text != INCAPACITY),
        incapacity=_longest(e for e in _consents_for(actor, record) if e.text == INCAPACITY),
        share=_longest(e for e in _grants(record, scope.provider_id) if e.one == study.pk),
        delivery=_longest(e for e in record.of("share") if e.one == study.pk and e.text == DELIVERY),
        opening=_longest(record.of("opening")),
        is_protected=any(flag.startswith("protected") for flag in flags),
        prompt=_prompt(record, flags),
        reason=_longest(e for e in record.of("choice") if not e.one),
        are_blocks_known=record.are_blocks_known,
    )


def own_units_of(actor: Actor) -> frozenset[int]:
    """Return the actor's unit and those of its care processes."""
    unit_id = actor.scope.unit_id
    return actor.scope.process_unit_ids | ({unit_id} if unit_id is not None else set())


def _grants(record: PatientRecord, provider_id: int | None) -> Iterator[Entry]:
    """Yield the shares that open a study to people.

    What another provider gave to be read on its behalf is open while an agreement about that holds, and a prior
    while something else of the patient is shared with the department.
    """
    commissioners = {
        entry.one for entry in record.of("agreement") if entry.text == SharingAgreement.PROCESSOR
    } | {provider_id}
    shares = [entry for entry in record.of("share") if entry.text != DELIVERY]
    own = [e for e in shares if e.text != PRIOR and (e.text != READING or e.other in commissioners)]
    yield from own
    if own:
        yield from (entry for entry in shares if entry.text == PRIOR)


def _distance(actor: Actor, study: StudyPlace, *, is_inner_blocked: bool) -> Distance:
    scope = actor.scope
    if study.unit_id is None or study.provider_id is None:
        return "other_provider"
    if study.unit_id == scope.unit_id:
        return "own_unit"
    if study.unit_id in scope.process_unit_ids and not is_inner_blocked:
        return "own_unit"
    return "same_provider" if study.provider_id == scope.provider_id else "other_provider"


def _blocks_on(
    study: StudyPlace, record: PatientRecord, provider_id: int | None
) -> tuple[list[Entry], list[Entry]]:
    """Return the inner and the outer blocks that cover a study; one without a date is covered by all."""
    covering = [
        entry
        for entry in record.of("block")
        if not study.study_date
        or ((entry.text or "0") <= study.study_date <= (entry.second_text or "99999999"))
    ]
    inner = [entry for entry in covering if entry.other and entry.other == study.unit_id]
    return inner, [entry for entry in covering if entry.one and entry.one == study.provider_id]


def _strictest(
    blocks: list[Entry], record: PatientRecord, own_units: frozenset[int], user_id: int | None
) -> tuple[BlockKind, Basis | None]:
    """Return what closes most; a lift counts when every block is lifted, and ends with the first of the lifts."""
    if not blocks:
        return "none", None
    if any(block.second_mark for block in blocks):
        return "absolute", None
    lifts = [
        _longest(
            e
            for e in record.of("lift")
            if e.one == block.pk and e.other in own_units and e.mark in (0, user_id)
        )
        for block in blocks
    ]
    unlifted = [block for block, lift in zip(blocks, lifts, strict=True) if lift is None]
    closing = unlifted or blocks
    kind: BlockKind = "silent" if any(block.mark for block in closing) else "disclosed"
    if unlifted:
        return kind, None
    return kind, min((lift for lift in lifts if lift is not None), key=lambda lift: lift.until or _NEVER)


def _consents_for(actor: Actor, record: PatientRecord) -> Iterator[Entry]:
    """Yield the consents whose recipient is the actor's provider, unit or person (`mark`)."""
    scope = actor.scope
    user_id = actor.subject_id if actor.kind == "person" else None
    for entry in record.of("consent"):
        is_for_user = bool(entry.mark) and entry.mark == user_id
        if entry.one == scope.provider_id or entry.other == scope.unit_id or is_for_user:
            yield entry


def _prompt(record: PatientRecord, flags: set[str]) -> Prompt:
    if any(record.of("relative")):
        return "relative"
    if "staff" in flags:
        return "staff"
    return "vip" if "vip" in flags else ""


def _longest(entries: Iterable[Entry]) -> Basis | None:
    """Return the row that holds longest: what rests on it is asked again least often."""
    best: Basis | None = None
    for entry in entries:
        if best is None or entry.until is None or (best.until is not None and entry.until > best.until):
            best = entry.basis
        if best.until is None:
            break
    return best
