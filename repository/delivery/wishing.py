"""Who wants a certain content of a study: its reports, its requests."""

from registry.models import Study
from registry.wishes.find import Wish, find_subscriptions, join_wishes


def find_wishing(study: Study, content: str) -> list[Wish]:
    """Return the wishes for a study that are for this content (as in `Subscription.wants`), by destination."""
    return list(join_wishes(row for row in find_subscriptions(study) if content in row.wants))
