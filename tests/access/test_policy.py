"""The decision table of docs/access.md, row by row, and the whole of it against another reading."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from access.actor import Actor, Scope
from access.policy import Basis, Decision, Facts, Options, decide
from access.sentences import SENTENCES, explain
from tests.support.decision_oracle import expect_delivery, expect_reading, expect_system

DOCTOR = Actor("person", "doctor", Scope(1, 1, 1), frozenset({"read"}))
PACS = Actor("system", "pacs", Scope(1, 1, 1), frozenset({"store", "read"}))
TOOL = Actor("system", "tool", Scope(region_wide=True), frozenset({"read"}))
LAW = Options()
SOON, LATER = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
ROW = Basis("row:1", LATER)
RELATED = {"relation": Basis("relation:1", LATER)}
CONSENTED = RELATED | {"consent": Basis("consent:2", SOON)}
OWN, SAME, OTHER = "own_unit", "same_provider", "other_provider"
COHESIVE = {"agreement": "cohesive"}


def ask(distance: Any, actor: Any = DOCTOR, options: Any = LAW, **facts: Any) -> Decision:
    return decide(actor, "read", Facts(distance, **facts), options)


def told(decision: Decision) -> tuple[str, str, str]:
    return decision.effect, decision.rule, decision.need


TABLE = [
    # rule, situation, then the answers for own unit, same provider, other provider (None: not asked)
    ("11", {}, ("needs", "11", "relation"), ("needs", "11", "relation"), ("needs", "11", "relation")),
    ("8", RELATED, ("permit", "8", ""), ("needs", "8", "choice"), ("needs", "10", "consent")),
    (
        "8 chosen",
        RELATED | {"choice": ROW},
        ("permit", "8", ""),
        ("permit", "8", ""),
        ("needs", "10", "consent"),
    ),
    ("9", CONSENTED, ("permit", "8", ""), ("needs", "8", "choice"), ("permit", "9", "")),
    (
        "10b",
        RELATED | {"incapacity": ROW},
        ("permit", "8", ""),
        ("needs", "8", "choice"),
        ("permit", "10b", ""),
    ),
    ("7", {"participation": ROW}, ("permit", "7", ""), ("permit", "7", ""), ("permit", "7", "")),
    ("12", {"share": ROW}, ("needs", "11", "relation"), ("permit", "12", ""), ("permit", "12", "")),
    ("13", {"opening": ROW}, ("permit", "13", ""), ("permit", "13", ""), ("permit", "13", "")),
    (
        "3",
        CONSENTED | {"has_opted_out": True, "choice": ROW},
        ("permit", "8", ""),
        ("permit", "8", ""),
        ("deny", "3", ""),
    ),
    (
        "4",
        CONSENTED | {"block": "absolute", "choice": ROW},
        ("permit", "8", ""),
        ("deny", "4", ""),
        ("deny", "4", ""),
    ),
    (
        "4 and 13",
        {"block": "absolute", "opening": ROW},
        ("permit", "13", ""),
        ("deny", "4", ""),
        ("deny", "4", ""),
    ),
    (
        "5",
        CONSENTED | {"block": "disclosed", "choice": ROW},
        ("permit", "8", ""),
        ("needs", "5", "emergency"),
        ("needs", "5", "emergency"),
    ),
    (
        "5 silent",
        CONSENTED | {"block": "silent", "choice": ROW},
        ("permit", "8", ""),
        ("needs", "5", "emergency"),
        ("needs", "5", "emergency"),
    ),
    (
        "5 and 13",
        {"block": "silent", "opening": ROW},
        ("permit", "13", ""),
        ("permit", "13", ""),
        ("permit", "13", ""),
    ),
    (
        "5 and 7",
        {"block": "disclosed", "participation": ROW},
        ("permit", "7", ""),
        ("needs", "5", "emergency"),
        ("needs", "5", "emergency"),
    ),
    (
        "6",
        CONSENTED | {"block": "disclosed", "lift": ROW, "choice": ROW},
        ("permit", "8", ""),
        ("permit", "8", ""),
        ("permit", "9", ""),
    ),
    (
        "14",
        {"is_protected": True, "participation": ROW, "share": ROW},
        ("needs", "14", "relation"),
        ("needs", "14", "relation"),
        ("needs", "14", "relation"),
    ),
    (
        "15",
        CONSENTED | {"prompt": "vip", "choice": ROW},
        ("needs", "15", "reason"),
        ("needs", "15", "reason"),
        ("needs", "15", "reason"),
    ),
    (
        "15 with a reason",
        CONSENTED | {"prompt": "staff", "reason": ROW, "choice": ROW},
        ("permit", "8", ""),
        ("permit", "8", ""),
        ("permit", "9", ""),
    ),
    (
        "15 in an emergency",
        {"prompt": "relative", "opening": ROW},
        ("permit", "13", ""),
        ("permit", "13", ""),
        ("permit", "13", ""),
    ),
    (
        "15 own record",
        {"is_own_record": True, "opening": ROW},
        ("deny", "15", ""),
        ("deny", "15", ""),
        ("deny", "15", ""),
    ),
    (
        "1 closed",
        {"is_closed": True, "opening": ROW},
        ("deny", "1", ""),
        ("deny", "1", ""),
        ("deny", "1", ""),
    ),
    (
        "blocks unknown",
        CONSENTED | {"are_blocks_known": False, "choice": ROW},
        ("permit", "8", ""),
        ("permit", "8", ""),
        ("deny", "5", ""),
    ),
]


@pytest.mark.parametrize("distance", [OWN, SAME, OTHER])
@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_the_table(row, distance):
    _name, situation, *answers = row
    agreement = COHESIVE if distance == OTHER else {}
    expected = answers[[OWN, SAME, OTHER].index(distance)]
    assert told(ask(distance, **situation, **agreement)) == expected


def test_without_the_right_or_for_another_purpose_nothing_is_read():
    assert told(ask(OWN, replace(DOCTOR, permissions=frozenset()), **RELATED)) == ("deny", "1", "")
    assert told(ask(OWN, replace(DOCTOR, purpose="teaching"), **RELATED)) == ("deny", "20", "")


def test_without_an_agreement_only_a_share_leads_across_providers():
    assert told(ask(OTHER, **CONSENTED)) == ("deny", "2", "")
    assert told(ask(OTHER, opening=ROW)) == ("deny", "2", "")
    assert told(ask(OTHER, share=ROW)) == ("permit", "12", "")


def test_a_region_decides_where_the_law_leaves_room():
    strict = Options(opt_out_spares_provider=False)
    assert told(ask(SAME, options=strict, **RELATED, choice=ROW, has_opted_out=True)) == ("deny", "3", "")
    assert told(ask(OWN, options=strict, **RELATED, has_opted_out=True)) == ("permit", "8", "")
    open_units = Options(choice_between_units=False)
    assert told(ask(SAME, options=open_units, **RELATED)) == ("permit", "8", "")


def test_systems_read_what_their_unit_keeps_or_was_sent():
    assert told(ask(OWN, PACS)) == ("permit", "17", "")
    assert told(ask(SAME, PACS, **CONSENTED, choice=ROW)) == ("deny", "17", "")
    assert told(ask(SAME, PACS, delivery=ROW)) == ("permit", "17", "")
    assert told(ask(OTHER, PACS, delivery=ROW)) == ("permit", "17", "")
    assert told(ask(SAME, PACS, delivery=ROW, block="disclosed", lift=ROW)) == ("deny", "5", "")
    assert told(ask(SAME, PACS, delivery=ROW, block="absolute")) == ("deny", "4", "")
    assert told(ask(OTHER, PACS, delivery=ROW, has_opted_out=True)) == ("deny", "3", "")
    assert told(ask(OWN, PACS, is_closed=True)) == ("deny", "1", "")
    assert told(ask(OTHER, TOOL, block="absolute", has_opted_out=True)) == ("permit", "17", "")


def test_a_system_that_asks_for_a_person_gets_what_both_may():
    asking = replace(PACS, on_behalf_of=DOCTOR)
    decision = ask(OTHER, asking, **CONSENTED, **COHESIVE)
    assert told(decision) == ("permit", "9", "")
    assert "log_both" in decision.obligations
    assert told(ask(OWN, asking)) == ("needs", "11", "relation")
    assert told(ask(OWN, replace(asking, permissions=frozenset({"store"})), **RELATED)) == ("deny", "1", "")


def test_deliveries():
    def send(distance, **facts):
        return told(decide(PACS, "deliver", Facts(distance, **facts)))

    assert send(OWN) == send(SAME) == ("permit", "18", "")
    assert send(SAME, block="disclosed", lift=ROW) == ("deny", "18", "")
    assert send(OTHER) == ("deny", "18", "")
    assert send(OTHER, **COHESIVE) == ("needs", "18", "consent")
    assert send(OTHER, **COHESIVE, consent=ROW) == ("permit", "18", "")
    assert send(OTHER, **COHESIVE, consent=ROW, are_blocks_known=False) == ("deny", "18", "")
    assert send(OTHER, share=ROW) == ("permit", "18", "")
    assert send(OTHER, share=ROW, has_opted_out=True) == ("deny", "18", "")
    assert send(OWN, is_closed=True) == ("deny", "18", "")


def test_a_decision_ends_with_the_first_of_what_it_rests_on_and_names_it():
    decision = ask(OTHER, **CONSENTED, **COHESIVE, prompt="vip", reason=Basis("choice:3", LATER))
    assert decision.expires_at == SOON
    assert decision.basis == ("relation:1", "consent:2", "choice:3")
    assert ask(OWN, relation=Basis("relation:4")).expires_at is None


def test_obligations():
    assert ask(OWN, **RELATED, is_protected=True).obligations == {"mask", "review_all"}
    assert "emergency_banner" in ask(OTHER, opening=ROW, **COHESIVE).obligations
    assert ask(OWN, opening=ROW).may_spool
    assert not any(ask(place, opening=ROW, **COHESIVE).may_spool for place in (SAME, OTHER))
    assert not ask(OWN, **RELATED).may_spool
    assert "lifted" in ask(SAME, **RELATED, choice=ROW, block="silent", lift=ROW).obligations
    assert "blocks_unknown_banner" in ask(OWN, **RELATED, are_blocks_known=False).obligations
    assert "review_sample" in ask(OTHER, **RELATED, incapacity=ROW, **COHESIVE).obligations
    assert "review_all" in ask(OWN, **RELATED, prompt="staff", reason=ROW).obligations


def test_what_must_not_be_spoken_of_is_silent():
    assert ask(SAME, **RELATED, block="silent").is_silent
    assert not ask(SAME, **RELATED, block="disclosed").is_silent
    assert ask(SAME, block="absolute").is_silent
    assert ask(OTHER, has_opted_out=True, **COHESIVE).is_silent
    assert ask(OTHER).is_silent
    assert ask(OWN, is_closed=True).is_silent


def every_situation():
    marks: list[Any] = [None, ROW]
    kinds: Any = product(
        [OWN, SAME, OTHER], ["none", "cohesive"], ["none", "disclosed", "silent", "absolute"]
    )
    flags: Any = list(product([False, True], [False, True], [True, False], ["", "vip"]))
    for distance, agreement, block in kinds:
        for lift, part, relation, choice, consent, incapacity, share, opening, reason in product(
            *[marks] * 9
        ):
            for opted_out, protected, known, prompt in flags:
                yield Facts(
                    distance,
                    agreement=agreement,
                    block=block,
                    lift=lift,
                    participation=part,
                    relation=relation,
                    choice=choice,
                    consent=consent,
                    incapacity=incapacity,
                    share=share,
                    delivery=share,
                    opening=opening,
                    reason=reason,
                    has_opted_out=opted_out,
                    is_protected=protected,
                    are_blocks_known=known,
                    prompt=prompt,
                )


def test_every_situation_agrees_with_another_reading_of_the_table():
    options = [Options(), Options(opt_out_spares_provider=False, choice_between_units=False)]
    for facts in every_situation():
        for option in options:
            decision = decide(DOCTOR, "read", facts, option)
            assert (decision.effect, decision.need) == expect_reading(facts, option), (facts, option)
            assert decide(PACS, "read", facts, option).permits == expect_system(facts, option), facts
            assert decide(PACS, "deliver", facts, option).permits == expect_delivery(facts, option), facts


def test_every_outcome_has_a_sentence_in_both_languages():
    outcomes = {told_reason(facts) for facts in every_situation() if facts.lift is None}
    outcomes |= {("deny", "no_right"), ("deny", "other_purpose"), ("deny", "own_record"), ("deny", "closed")}
    outcomes |= {("needs", "staff"), ("needs", "relative")}
    for outcome in outcomes:
        swedish, english = SENTENCES[outcome]
        assert swedish != english
        assert swedish.endswith(".")
        assert english.endswith(".")
    decision = ask(OWN)
    assert explain(decision, "sv-se").startswith("Det finns ingen vårdrelation")
    assert explain(decision, "en").startswith("There is no care relation")


def told_reason(facts: Facts) -> tuple[str, str]:
    decision = decide(DOCTOR, "read", facts)
    return decision.effect, decision.reason
