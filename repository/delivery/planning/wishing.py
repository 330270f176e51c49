"""Who wants a certain content of a study: its reports, its requests."""

from collections.abc import Callable
from dataclasses import dataclass

from registry.models import Study
from registry.wishes.find import Wish, find_subscriptions, join_wishes
from registry.wishes.index import SubscriptionIndex, read_index


@dataclass(frozen=True, slots=True)
class Asking:
    """Who may ask for something of a study: all subscriptions, read when they are needed, or `only` the one."""

    read_index: Callable[[], SubscriptionIndex] = read_index
    only: int | None = None


EVERYBODY = Asking()


def find_wishing(study: Study, content: str, asking: Asking = EVERYBODY) -> list[Wish]:
    """Return the wishes for a study that are for this content (as in `Subscription.wants`), by destination."""
    index = asking.read_index()
    if not _has_any(index, content):
        return []
    rows = (row for row in find_subscriptions(study, index) if content in row.wants)
    return list(join_wishes(row for row in rows if asking.only in (None, row.pk)))


def _has_any(index: SubscriptionIndex, content: str) -> bool:
    """Tell whether anybody wants the content at all: asked before the facts of a study are read."""
    rules = (rule for rules in (index.unkeyed, *index.by_key.values()) for rule in rules)
    return any(content in rule.subscription.wants for rule in rules)
