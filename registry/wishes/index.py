"""All active subscriptions, read once for many studies, and found by what their filters cannot do without."""

import json
from dataclasses import dataclass
from functools import lru_cache

from django.db.models import F, QuerySet

from registry.models import Subscription
from registry.wishes.facts import StudyFacts
from registry.wishes.filter import (
    Filter,
    Flag,
    Group,
    Node,
    Owner,
    UnknownFilter,
    ValueTest,
    read_filter,
    walk,
)
from registry.wishes.matching import matches
from registry.wishes.states import effective_state

Key = tuple[str, str]
INDEXED = (
    "modality_family",
    "modality",
    "body_region",
    "source",
    "source_system",
    "procedure",
    "ordering_unit",
)
"""Tests by which a subscription can be found."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A subscription that has been read; `at_department` is the department of its destination, by key."""

    subscription: Subscription
    filter: Filter
    owner: Owner
    at_department: int


@dataclass(frozen=True, slots=True)
class SubscriptionIndex:
    """Active subscriptions by the keys of which a study needs one; those that need none are asked every time."""

    by_key: dict[Key, list[Rule]]
    unkeyed: list[Rule]
    unreadable: tuple[tuple[int, str], ...] = ()
    has_hasty: bool = False
    """Whether one of them wants a study with every store."""
    asked: frozenset[str] = frozenset()
    """Tests that a filter of one of them makes."""
    units_by_relation: frozenset[int] = frozenset()
    """Units, by key, of which a subscription asks for a care relation."""

    def find_candidates(self, facts: StudyFacts) -> list[Rule]:
        """Return the subscriptions that may match, each once, in the order of their keys."""
        found = {rule.subscription.pk: rule for rule in self.unkeyed}
        for key in keys_of_study(facts):
            found.update((rule.subscription.pk, rule) for rule in self.by_key.get(key, ()))
        return [found[pk] for pk in sorted(found)]

    def find(self, facts: StudyFacts) -> list[Rule]:
        """Return the subscriptions that match a study, in the order of their keys.

        A department that stored the study has it only where its filter says so, also when another owns the rule.
        """
        return [rule for rule in self.find_candidates(facts) if is_wanted(rule, facts)]


def is_wanted(rule: Rule, facts: StudyFacts) -> bool:
    """Tell whether a subscription matches a study, and its destination is not the department that stored it."""
    at_home = rule.at_department == facts.custodian_id
    if at_home and facts.custodian_id is not None and rule.filter.not_from_self:
        return False
    return matches(rule.filter, facts, rule.owner)


def read_index() -> SubscriptionIndex:
    """Read all active subscriptions to active destinations in one query.

    One whose filter cannot be read matches nothing and is named in `unreadable`.
    """
    return make_index(Subscription.objects.filter(active=True, destination__active=True).order_by("pk"))


def make_index(subscriptions: QuerySet[Subscription]) -> SubscriptionIndex:
    """Arrange subscriptions by the rarest keys that their filters need."""
    by_key: dict[Key, list[Rule]] = {}
    unkeyed: list[Rule] = []
    unreadable: list[tuple[int, str]] = []
    has_hasty = False
    asked: set[str] = set()
    by_relation: set[int] = set()
    # The related rows are not read: of a thousand subscriptions a study needs those of ten.
    places = subscriptions.annotate(
        of_unit=F("department__unit_id"), at_department=F("destination__department_id")
    )
    for row in places:
        try:
            wanted, keys, tests = _read(json.dumps(row.filter))
        except UnknownFilter as error:
            unreadable.append((row.pk, str(error)))
            continue
        has_hasty = has_hasty or effective_state(row) == "in_progress"
        rule = Rule(row, wanted, Owner(row.department_id, row.of_unit), row.at_department)
        asked |= tests
        if "care_relation" in tests:
            by_relation.add(row.of_unit)
        if keys is None:
            unkeyed.append(rule)
        for key in keys or ():
            by_key.setdefault(key, []).append(rule)
    return SubscriptionIndex(
        by_key, unkeyed, tuple(unreadable), has_hasty, frozenset(asked), frozenset(by_relation)
    )


@lru_cache(maxsize=8192)
def _read(text: str) -> tuple[Filter, frozenset[Key] | None, frozenset[str]]:
    """Read a filter, its keys and its tests once however often all subscriptions are read."""
    wanted = read_filter(json.loads(text))
    tests = frozenset(each.kind for each in walk(wanted.node) if isinstance(each, ValueTest | Flag))
    return wanted, needed_keys(wanted.node), tests


def needed_keys(node: Node | None) -> frozenset[Key] | None:
    """Return keys of which a study must have one to match; None where it may match without any."""
    if isinstance(node, ValueTest) and node.kind in INDEXED:
        return frozenset((node.kind, value) for value in node.values)
    if not isinstance(node, Group):
        return None
    below = [needed_keys(each) for each in node.nodes]
    if node.of == "all":
        return min((keys for keys in below if keys is not None), key=_cost, default=None)
    known = [keys for keys in below if keys is not None]
    return frozenset().union(*known) if len(known) == len(below) else None


def keys_of_study(facts: StudyFacts) -> list[Key]:
    """Return the keys that a study has."""
    values = {
        "modality_family": (facts.modality_family,),
        "modality": facts.modalities,
        "body_region": facts.body_regions,
        "source": facts.source,
        "source_system": facts.systems,
        "procedure": (facts.procedure_code,),
        "ordering_unit": facts.ordering,
    }
    return [(kind, value) for kind in INDEXED for value in values[kind]]


def _cost(keys: frozenset[Key]) -> tuple[int, int]:
    """Return how many studies keys are likely to find: a procedure or an ordering unit is rarer than a family."""
    rarity = {
        "procedure": 0,
        "ordering_unit": 1,
        "source": 2,
        "source_system": 2,
        "body_region": 3,
        "modality": 4,
        "modality_family": 4,
    }
    return max((rarity[kind] for kind, _ in keys), default=0), len(keys)
