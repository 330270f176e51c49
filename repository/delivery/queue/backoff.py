"""How long to wait before the next attempt."""

import random

from repository.delivery.receivers.failure import Failure

FIRST_S = 2.0
LAST_S = 1800.0
_LARGEST_EXPONENT = 20


def draw_wait(attempts: int) -> float:
    """Draw a waiting time in seconds: full jitter over a range that doubles with every attempt."""
    most_s = min(LAST_S, FIRST_S * 2 ** min(attempts, _LARGEST_EXPONENT))
    return random.uniform(0, most_s)  # noqa: S311 (jitter, not a secret)


def decide_retry(failure: Failure, *, attempts: int, same_before: int) -> float | None:
    """Return the seconds to wait before the next attempt, or None when there must not be one.

    Parameters
    ----------
    attempts
        How often the delivery was tried.
    same_before
        How many earlier attempts ended in a failure of the same kind.
    """
    if failure.kind == "refused" or (failure.kind == "retry_once" and same_before > 0):
        return None
    if failure.kind == "destination":  # the breaker waits instead
        return 0.0
    return max(spread(failure.retry_after_s), draw_wait(attempts))


def spread(retry_after_s: float) -> float:
    """Draw a time in seconds that is at most a quarter longer than the receiver asks for.

    Those who were turned away in one moment do not come back in one moment.
    """
    return retry_after_s * (1 + random.uniform(0, 0.25))  # noqa: S311 (jitter, not a secret)
