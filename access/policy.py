"""The one decision: may this actor have this study now, by which rule, and what would be missing.

Pure: it knows no database, no clock and no HTTP. Everything that it rests on is in `Facts`, and whatever
is in `Facts` is valid at the moment of the question. Rules are read from the top; the first that says no
or that something is missing ends the reading.

The rule numbers are those of `docs/access.md`; they go into the access log with the ids of what was relied on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from access.actor import Actor

Action = Literal["read", "deliver"]
Distance = Literal["own_unit", "same_provider", "other_provider"]
Agreement = Literal["none", "cohesive"]
BlockKind = Literal["none", "disclosed", "silent", "absolute"]
Effect = Literal["permit", "needs", "deny"]
Need = Literal["", "emergency", "relation", "choice", "consent", "reason"]
Prompt = Literal["", "vip", "staff", "relative"]

CARE = "care"
SPOOL = "spool"
"""The obligation of an emergency in the own unit: it is recorded on the disk where the access log cannot be written."""


@dataclass(frozen=True, slots=True)
class Basis:
    """A row that a decision can rest on: which, and until when it holds (None: no end)."""

    name: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a study, its patient and the actor, seen from the actor.

    Parameters
    ----------
    distance
        From the actor's unit (or one of its care process) to the custodian unit of the study.
    is_closed
        A study in conflict or not confirmed after a rebuild, and not at home with the actor's department.
    agreement
        What the custodian's provider has agreed with the actor's; only of other providers.
    block
        The strictest block that covers the study and holds outside its custodian.
    lift, relation, consent, incapacity, choice, share, delivery, opening, participation, reason
        What there is for this actor; None if there is nothing.
    prompt
        Why a reason must be given before the patient's data are read.
    are_blocks_known
        False while a source of blocks and consents does not answer.
    """

    distance: Distance
    is_closed: bool = False
    is_own_record: bool = False
    agreement: Agreement = "none"
    has_opted_out: bool = False
    block: BlockKind = "none"
    lift: Basis | None = None
    participation: Basis | None = None
    relation: Basis | None = None
    choice: Basis | None = None
    consent: Basis | None = None
    incapacity: Basis | None = None
    share: Basis | None = None
    delivery: Basis | None = None
    opening: Basis | None = None
    is_protected: bool = False
    prompt: Prompt = ""
    reason: Basis | None = None
    are_blocks_known: bool = True


@dataclass(frozen=True, slots=True)
class Options:
    """Where the law leaves room: what a region decides for itself."""

    opt_out_spares_provider: bool = True
    choice_between_units: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: effect, rule, reason in one word, what is missing, what to do besides, and what it rests on.

    `is_silent` says that not even the existence of the study may be spoken of. `expires_at` is when what
    it rests on ends.
    """

    effect: Effect
    rule: str
    reason: str
    need: Need = ""
    obligations: frozenset[str] = frozenset()
    expires_at: datetime | None = None
    basis: tuple[str, ...] = ()
    is_silent: bool = False

    @property
    def permits(self) -> bool:
        """True if the study may be read or sent."""
        return self.effect == "permit"

    @property
    def may_spool(self) -> bool:
        """True if reading it does not wait for an access log that cannot be written."""
        return SPOOL in self.obligations


@dataclass(frozen=True, slots=True)
class _Trail:
    """What the rules read so far have asked for and rested on."""

    obligations: frozenset[str] = frozenset()
    used: tuple[Basis, ...] = field(default=())


def decide(actor: Actor, action: Action, facts: Facts, options: Options = Options()) -> Decision:
    """Decide about one study."""
    if action == "deliver":
        return _decide_delivery(facts, options)
    if not actor.may("read"):
        return _deny("1", "no_right")
    if actor.on_behalf_of is not None:
        decision = decide(actor.on_behalf_of, action, facts, options)
        return replace(decision, obligations=decision.obligations | {"log_both"})
    if actor.kind == "person":
        return _decide_for_person(actor, facts, options)
    return _decide_for_system(actor, facts, options)


def _decide_for_system(actor: Actor, facts: Facts, options: Options) -> Decision:
    if actor.scope.region_wide:
        return _permit("17", "region_tool")
    if facts.is_closed:
        return _deny("1", "closed", is_silent=True)
    if facts.distance == "own_unit":
        return _permit("17", "own_objects")
    if facts.delivery is None:
        return _deny("17", "not_delivered", is_silent=True)
    return _refuse_by_patient(facts, options) or _permit("17", "delivered", _Trail(used=(facts.delivery,)))


def _decide_delivery(facts: Facts, options: Options) -> Decision:
    """Decide whether a study may go to a department's system, when planned and again before every request."""
    if facts.is_closed:
        return _deny("18", "closed")
    if facts.distance == "own_unit":
        return _permit("18", "own_provider")
    refused = _refuse_by_patient(facts, options)
    if refused is not None:
        return replace(refused, rule="18")
    if facts.distance == "same_provider":
        return _permit("18", "own_provider")
    if facts.share is not None:
        return _permit("18", "shared", _Trail(used=(facts.share,)))
    if facts.agreement == "none":
        return _deny("18", "no_agreement")
    if not facts.are_blocks_known:
        return _deny("18", "blocks_unknown")
    if facts.consent is None:
        return _needs("18", "consent", "consent_missing")
    return _permit("18", "consent", _Trail(used=(facts.consent,)))


def _refuse_by_patient(facts: Facts, options: Options) -> Decision | None:
    """Refuse a system what the patient closed outside the custodian: a lift opens it to people only."""
    if _is_opted_out(facts, options):
        return _deny("3", "opted_out", is_silent=True)
    if facts.block == "absolute":
        return _deny("4", "blocked", is_silent=True)
    if facts.block != "none":
        return _deny("5", "blocked", is_silent=facts.block == "silent")
    return None


def _decide_for_person(actor: Actor, facts: Facts, options: Options) -> Decision:
    if actor.purpose != CARE:
        return _deny("20", "other_purpose")
    if facts.is_closed:
        return _deny("1", "closed", is_silent=True)
    if facts.is_own_record:
        return _deny("15", "own_record")
    trail = _obligations_of(facts)
    if facts.distance == "own_unit":
        return _ask_reason(facts, _decide_own_unit(facts, trail))
    refused, trail = _pass_patient(facts, options, trail)
    if refused is not None:
        return refused
    if facts.distance == "same_provider":
        return _ask_reason(facts, _decide_same_provider(facts, options, trail))
    return _ask_reason(facts, _decide_other_provider(facts, trail))


def _pass_patient(facts: Facts, options: Options, trail: _Trail) -> tuple[Decision | None, _Trail]:
    """Stop at what closes the study outside its custodian; rules 2 to 6."""
    is_other = facts.distance == "other_provider"
    if is_other and facts.agreement == "none" and facts.share is None:
        return _deny("2", "no_agreement", is_silent=True), trail
    if _is_opted_out(facts, options):
        return _deny("3", "opted_out", is_silent=True), trail
    if facts.block == "absolute":
        return _deny("4", "blocked", is_silent=True), trail
    if is_other and not facts.are_blocks_known:
        return _deny("5", "blocks_unknown"), trail
    if facts.block == "none" or facts.opening is not None:
        return None, trail
    if facts.lift is None:
        is_silent = facts.block == "silent"
        return _needs("5", "emergency", "blocked", trail, is_silent=is_silent), trail
    return None, _with(trail, facts.lift, "lifted")


def _decide_own_unit(facts: Facts, trail: _Trail) -> Decision:
    return _decide_by_part(facts, trail) or _permit("8", "relation", _with(trail, facts.relation))


def _decide_same_provider(facts: Facts, options: Options, trail: _Trail) -> Decision:
    decision = _decide_by_part(facts, trail)
    if decision is not None:
        return decision
    trail = _with(trail, facts.relation)
    if not options.choice_between_units:
        return _permit("8", "relation", trail)
    if facts.choice is None:
        return _needs("8", "choice", "choice_missing", trail)
    return _permit("8", "choice", _with(trail, facts.choice))


def _decide_other_provider(facts: Facts, trail: _Trail) -> Decision:
    decision = _decide_by_part(facts, trail)
    if decision is not None:
        return decision
    trail = _with(trail, facts.relation)
    if facts.consent is not None:
        return _permit("9", "consent", _with(trail, facts.consent))
    if facts.incapacity is not None:
        return _permit("10b", "incapacity", _with(trail, facts.incapacity, "review_sample"))
    return _needs("10", "consent", "consent_missing", trail)


def _decide_by_part(facts: Facts, trail: _Trail) -> Decision | None:
    """Decide by what opens a study of itself (7, 12, 13), or by a missing relation (11, 14); else None."""
    if facts.opening is not None:
        spool = (SPOOL,) if facts.distance == "own_unit" else ()
        return _permit("13", "emergency", _with(trail, facts.opening, "emergency_banner", *spool))
    if facts.relation is None and facts.is_protected:
        return _needs("14", "relation", "relation_missing", trail)
    if facts.participation is not None:
        return _permit("7", "took_part", _with(trail, facts.participation))
    if facts.share is not None and facts.distance != "own_unit":
        return _permit("12", "shared", _with(trail, facts.share))
    if facts.relation is None:
        return _needs("11", "relation", "relation_missing", trail)
    return None


def _ask_reason(facts: Facts, decision: Decision) -> Decision:
    """Ask for a reason before what is otherwise permitted; rule 15."""
    if not facts.prompt or not decision.permits or facts.opening is not None:
        return decision
    if facts.reason is None:
        return replace(
            decision, effect="needs", rule="15", reason=facts.prompt, need="reason", basis=(), expires_at=None
        )
    ends = [end for end in (decision.expires_at, facts.reason.until) if end is not None]
    return replace(decision, basis=(*decision.basis, facts.reason.name), expires_at=min(ends, default=None))


def _obligations_of(facts: Facts) -> _Trail:
    obligations = set()
    if facts.is_protected:
        obligations |= {"mask", "review_all"}
    if facts.prompt:
        obligations.add("review_all")
    if not facts.are_blocks_known:
        obligations.add("blocks_unknown_banner")
    return _Trail(frozenset(obligations))


def _is_opted_out(facts: Facts, options: Options) -> bool:
    is_spared = facts.distance == "same_provider" and options.opt_out_spares_provider
    return facts.has_opted_out and not is_spared


def _with(trail: _Trail, basis: Basis | None, *obligations: str) -> _Trail:
    used = trail.used if basis is None else (*trail.used, basis)
    return _Trail(trail.obligations | set(obligations), used)


def _permit(rule: str, reason: str, trail: _Trail = _Trail()) -> Decision:
    return Decision(
        "permit",
        rule,
        reason,
        obligations=trail.obligations,
        expires_at=_first_end(trail.used),
        basis=tuple(basis.name for basis in trail.used),
    )


def _needs(
    rule: str,
    need: Need,
    reason: str,
    trail: _Trail = _Trail(),
    *,
    is_silent: bool = False,
) -> Decision:
    return Decision(
        "needs", rule, reason, need, trail.obligations, _first_end(trail.used), is_silent=is_silent
    )


def _deny(rule: str, reason: str, *, is_silent: bool = False) -> Decision:
    return Decision("deny", rule, reason, is_silent=is_silent)


def _first_end(used: Iterable[Basis]) -> datetime | None:
    return min((basis.until for basis in used if basis.until is not None), default=None)
