"""Who wants a certain content of a study: its reports, its requests."""

from dataclasses import replace

from registry.models import Study, Subscription
from registry.subscriptions import Wish, find_wishes, rank_priority


def find_wishing(study: Study, content: str) -> list[Wish]:
    """Return the wishes for a study that are for this content (as in `Subscription.wants`), by destination."""
    wishes = find_wishes(study)
    keys = [pk for wish in wishes for pk in wish.subscription_ids]
    wanting = {row.pk: row for row in Subscription.objects.filter(pk__in=keys) if content in row.wants}
    found = []
    for wish in wishes:
        asking = [wanting[pk] for pk in wish.subscription_ids if pk in wanting]
        if asking:
            priority = min((row.priority for row in asking), key=rank_priority)
            found.append(replace(wish, priority=priority, subscription_ids=tuple(row.pk for row in asking)))
    return found
