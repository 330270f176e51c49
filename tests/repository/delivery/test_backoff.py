"""How long to wait."""

import pytest

from repository.delivery.queue.backoff import LAST_S, decide_retry, draw_wait
from repository.delivery.receivers.failure import Failure


@pytest.mark.parametrize(
    ("attempts", "most_s"), [(0, 2), (1, 4), (5, 64), (9, 1024), (10, 1800), (5000, 1800)]
)
def test_full_jitter_over_a_range_that_doubles(attempts, most_s):
    waits = [draw_wait(attempts) for _ in range(400)]
    assert 0 <= min(waits) < most_s * 0.1
    assert most_s * 0.9 < max(waits) <= most_s <= LAST_S


@pytest.mark.parametrize(
    ("kind", "same_before", "again"),
    [
        ("retry", 100, True),
        ("busy", 100, True),
        ("source", 100, True),
        ("destination", 100, True),
        ("retry_once", 0, True),
        ("retry_once", 1, False),
        ("refused", 0, False),
    ],
)
def test_which_failures_are_tried_again(kind, same_before, again):
    wait_s = decide_retry(Failure(kind, "code", "text"), attempts=3, same_before=same_before)
    assert (wait_s is not None) is again


def test_never_sooner_than_the_receiver_asks():
    failure = Failure("busy", "receiver_busy", "429", 429, retry_after_s=500.0)
    waits = [decide_retry(failure, attempts=1, same_before=0) for _ in range(100)]
    assert all(wait_s is not None and 500 <= wait_s <= 625 for wait_s in waits)
    assert len(set(waits)) > 50, "who was turned away together comes back together"
