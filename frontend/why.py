"""Why something is shown, and until when: the one sentence of a decision for the pages."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import get_language

from access.policy import Decision
from access.sentences import SENTENCES, explain, explain_reason


@dataclass(frozen=True, slots=True)
class Why:
    """A permitted decision as a page tells it."""

    sentence: str
    rule: str
    until: datetime | None
    obligations: frozenset[str]


def describe_decision(decision: Decision) -> Why:
    """Put a decision into words."""
    sentence = explain(decision, get_language() or "sv")
    return Why(sentence, decision.rule, decision.expires_at, decision.obligations)


def say_reason(effect: str, reason: str) -> str:
    """Say in the language of the page what an effect and a reason mean; empty if there is no sentence for them."""
    known = (effect, reason) in SENTENCES
    return explain_reason(effect, reason, get_language() or "sv") if known else ""
