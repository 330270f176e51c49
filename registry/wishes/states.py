"""From which state of a study on a subscription is to have it."""

from registry.models import Subscription


def effective_state(subscription: Subscription) -> str:
    """Return `in_progress`, `complete` or `verified`: what is urgent does not wait for a study to be complete."""
    is_urgent = subscription.priority == "urgent" and subscription.from_state == "complete"
    return "in_progress" if is_urgent else subscription.from_state
