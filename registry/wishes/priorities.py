"""How urgent a delivery is: the four words, and their order."""

PRIORITIES = ("urgent", "normal", "prior", "bulk")


def rank_priority(priority: str) -> int:
    """Return the place of a priority: 0 is the most urgent."""
    return PRIORITIES.index(priority)
