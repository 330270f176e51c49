"""The decision table read another way: every obstacle is collected, and the strongest is the answer.

The policy walks the rules from the top; here each obstacle is stated by itself, so that a slip in the order of
the one shows against the other.
"""

from access.policy import Facts, Options

LAW = Options()
STRENGTH = ("emergency", "relation", "consent", "choice", "reason")


def expect_reading(facts: Facts, options: Options = LAW) -> tuple[str, str]:
    """Return effect and need for a person who may read."""
    if _is_denied(facts, options):
        return "deny", ""
    needs = set(_find_needs(facts, options))
    for need in STRENGTH:
        if need in needs:
            return "needs", need
    return "permit", ""


def expect_system(facts: Facts, options: Options = LAW) -> bool:
    """Tell whether a system of a department reads it alone."""
    if facts.is_closed:
        return False
    if facts.distance == "own_unit":
        return True
    return bool(facts.delivery) and not _is_shut_by_patient(facts, options)


def expect_delivery(facts: Facts, options: Options = LAW) -> bool:
    """Tell whether it may be sent to the department's system."""
    if facts.is_closed:
        return False
    if facts.distance == "own_unit":
        return True
    if _is_shut_by_patient(facts, options):
        return False
    if facts.distance == "same_provider" or facts.share:
        return True
    return facts.agreement == "cohesive" and facts.are_blocks_known and bool(facts.consent)


def _is_denied(facts: Facts, options: Options) -> bool:
    is_outside = facts.distance != "own_unit"
    is_elsewhere = facts.distance == "other_provider"
    return (
        facts.is_closed
        or facts.is_own_record
        or (is_elsewhere and facts.agreement == "none" and not facts.share)
        or (is_elsewhere and facts.has_opted_out)
        or (is_outside and facts.has_opted_out and not options.opt_out_spares_provider)
        or (is_outside and facts.block == "absolute")
        or (is_elsewhere and not facts.are_blocks_known)
    )


def _find_needs(facts: Facts, options: Options):
    is_outside = facts.distance != "own_unit"
    if is_outside and facts.block in ("disclosed", "silent") and not facts.lift and not facts.opening:
        yield "emergency"
    handed_over = bool(facts.participation) or (is_outside and bool(facts.share))
    if facts.is_protected and not facts.relation:
        handed_over = False
    opened = bool(facts.opening) or handed_over
    if not opened and not facts.relation:
        yield "relation"
    if facts.distance == "same_provider" and options.choice_between_units and not opened and not facts.choice:
        yield "choice"
    if facts.distance == "other_provider" and not opened and not facts.consent and not facts.incapacity:
        yield "consent"
    if facts.prompt and not facts.reason and not facts.opening:
        yield "reason"


def _is_shut_by_patient(facts: Facts, options: Options) -> bool:
    is_spared = facts.distance == "same_provider" and options.opt_out_spares_provider
    return facts.block != "none" or (facts.has_opted_out and not is_spared)
