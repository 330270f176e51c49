"""Why something was permitted or refused, as a sentence that everybody reads the same."""

from access.models import AuditEvent
from access.sentences import SENTENCES, explain_reason

_REASON_OF_RULE = {
    "7": "took_part",
    "8": "relation",
    "9": "consent",
    "10b": "incapacity",
    "12": "shared",
    "13": "emergency",
    "17": "own_objects",
    "18": "own_provider",
}
"""The word for a rule that permitted, where the row has none."""
_EFFECTS = {"success": ("permit",), "failed": ("permit",)}
_REFUSED = ("deny", "needs")


def explain_event(row: AuditEvent, language: str) -> str:
    """Say why, in one sentence, as far as the row tells; empty if it does not.

    Parameters
    ----------
    language
        `sv`, or English for every other.
    """
    reason = str(row.detail.get("reason") or _REASON_OF_RULE.get(row.rule, ""))
    for effect in _EFFECTS.get(row.outcome, _REFUSED):
        if (effect, reason) in SENTENCES:
            return explain_reason(effect, reason, language)
    return str(row.detail.get("refusal") or "")
