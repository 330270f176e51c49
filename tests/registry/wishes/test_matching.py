"""What a filter matches: the same in Python, in SQL and through the index."""

from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from access.models import Department
from registry.models import Destination, Study, Subscription
from registry.wishes.compile import compile_filter
from registry.wishes.facts import read_facts
from registry.wishes.filter import Owner, read_filter
from registry.wishes.index import SubscriptionIndex, is_wanted, make_index
from registry.wishes.matching import matches
from tests.registry.wishes.studies import (
    ADDRESSES,
    CLASSES,
    FAMILIES,
    MODALITIES,
    PROCEDURES,
    REGIONS,
    STATES,
    STUDIES,
    Drawn,
    make_departments,
    make_drawn,
)

pytestmark = pytest.mark.django_db

PROBES: tuple[dict[str, Any], ...] = (
    *({"modality_family": [value]} for value in FAMILIES),
    *({"body_region": [value]} for value in REGIONS),
    *({"modality": [value]} for value in MODALITIES),
    *({"procedure": [value]} for value in PROCEDURES),
    *({kind: [f"{{{n}}}"]} for kind in ("ordering_unit", "performing_unit", "source") for n in range(3)),
    *({"patient_class": [value]} for value in CLASSES),
    *({"source_system": [value]} for value in ("ct-1", "pacs", "CT_AE")),
    *({"residence": [value]} for value in ("58", "58225", "1")),
    *({"residence_area": [value]} for value in ("lund", "Linköping", "Skåne län", "58", "0580", "12", "Åre")),
    *({"care_relation": [value]} for value in ("unit", "department")),
    *({"study_state": [value]} for value in STATES),
    {"emergency": True},
    {"not": {"report_final": True}},
)
"""Every test by itself, whatever is drawn beside them."""
PLACES = ("{0}", "{1}", "{2}", "{0}.unit", "{2}.unit", "{2}.provider")
"""Departments by position, and what lies above them; filled with HSA ids."""


def of(kind: str, values: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2).map(lambda chosen: {kind: chosen})


LEAVES = st.one_of(
    of("modality_family", FAMILIES),
    of("body_region", REGIONS),
    of("modality", MODALITIES),
    of("procedure", PROCEDURES),
    of("ordering_unit", PLACES),
    of("performing_unit", PLACES),
    of("source", PLACES),
    of("source_system", ("ct-1", "pacs", "CT_AE", "MR_AE")),
    of("patient_class", CLASSES),
    of("residence", ("58", "58225", "5822", "1")),
    of("residence_area", ("Lund", "lunds kommun", "SKÅNE LÄN", "05", "1281", "nowhere")),
    of("care_relation", ("unit", "department")),
    of("study_state", STATES),
    st.booleans().map(lambda wanted: {"emergency": wanted}),
    st.booleans().map(lambda wanted: {"report_final": wanted}),
)
TREES = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        st.lists(below, min_size=1, max_size=3).map(lambda nodes: {"all": nodes}),
        st.lists(below, min_size=1, max_size=3).map(lambda nodes: {"any": nodes}),
        below.map(lambda node: {"not": node}),
    ),
    max_leaves=6,
)
FILTERS = st.tuples(st.one_of(st.just({}), TREES), st.booleans()).map(
    lambda drawn: {**drawn[0], "not_from_self": drawn[1]}
)


def name_places(value: Any, departments: list[Department]) -> Any:
    """Put HSA ids in the place of positions."""
    if isinstance(value, dict):
        return {key: name_places(below, departments) for key, below in value.items()}
    if isinstance(value, list):
        return [name_places(each, departments) for each in value]
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    department = departments[int(value[1])]
    unit = department.unit
    above = {"unit": unit.hsa_id, "provider": unit.provider.hsa_id}
    return above.get(value[4:], department.hsa_id)


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # making it smaller would take minutes of queries
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=st.lists(STUDIES, min_size=1, max_size=4), filters=st.lists(FILTERS, min_size=1, max_size=8))
def test_python_sql_and_index_agree(db: None, drawn: list[Drawn], filters: list[dict[str, Any]]) -> None:
    with transaction.atomic():
        departments = make_departments()
        studies = [make_drawn(each, departments) for each in drawn]
        facts = {study.pk: read_facts(Study.objects.get(pk=study.pk)) for study in studies}
        destination = Destination.objects.create(department=departments[0], name="PACS", url="worklist:")
        subscriptions = Subscription.objects.bulk_create(
            Subscription(
                department=departments[0], destination=destination, filter=name_places(each, departments)
            )
            for each in (*filters, *PROBES)
        )
        index = make_index(Subscription.objects.filter(destination=destination))
        assert index.unreadable == ()
        owner = Owner(departments[0].pk, departments[0].unit_id)
        found = {pk: {rule.subscription.pk for rule in index.find(facts[pk])} for pk in facts}
        for subscription in subscriptions:
            wanted = read_filter(subscription.filter)
            by_python = {pk for pk in facts if matches(wanted, facts[pk], owner)}
            rows = Study.objects.filter(compile_filter(wanted, owner), pk__in=facts)
            assert set(rows.values_list("pk", flat=True)) == by_python, subscription.filter
            assert {pk for pk in facts if subscription.pk in found[pk]} == by_python, subscription.filter
        transaction.set_rollback(True)


@pytest.fixture
def departments(db: None) -> list[Department]:
    return make_departments()


def subscribe(department: Department, wanted: dict[str, Any], at: Department | None = None) -> Subscription:
    destination = Destination.objects.create(
        department=at or department, name=f"PACS {Destination.objects.count()}", url="worklist:"
    )
    return Subscription.objects.create(department=department, destination=destination, filter=wanted)


def index_of(*subscriptions: Subscription) -> SubscriptionIndex:
    return make_index(Subscription.objects.filter(pk__in=[row.pk for row in subscriptions]))


def test_what_a_department_stored_does_not_come_back_unless_asked_for(departments, make) -> None:
    study = make(custodian=0)
    wishes = [subscribe(departments[0], {}), subscribe(departments[1], {})]
    index = index_of(*wishes)
    assert [w.owner.department_id for w in index.find(read_facts(study))] == [departments[1].pk]
    asked = index_of(subscribe(departments[0], {"not_from_self": False}))
    assert len(asked.find(read_facts(study))) == 1


def test_a_destination_of_the_storing_department_gets_nothing_whoever_owns_the_wish(
    departments, make
) -> None:
    study = make(custodian=0)
    foreign = index_of(subscribe(departments[1], {}, at=departments[0]))
    assert foreign.find(read_facts(study)) == []
    assert not is_wanted(foreign.unkeyed[0], read_facts(study))


def test_an_unreadable_filter_matches_nothing_and_is_named(departments, make) -> None:
    broken = subscribe(departments[1], {})
    Subscription.objects.filter(pk=broken.pk).update(filter={"colour": ["red"]})
    fine = subscribe(departments[1], {})
    index = make_index(Subscription.objects.order_by("pk"))
    assert [w.subscription.pk for w in index.find(read_facts(make()))] == [fine.pk]
    ((pk, message),) = index.unreadable
    assert pk == broken.pk
    assert message.startswith("filter.colour: unknown test")


def test_the_index_asks_only_those_that_may_match(departments, make) -> None:
    wanted: list[dict[str, Any]] = [
        {"modality_family": ["CT"]},
        {"all": [{"modality_family": ["CT"]}, {"procedure": ["P9"]}]},
        {"any": [{"modality_family": ["MR"]}, {"body_region": ["774007"]}]},
        {"not": {"modality_family": ["CT"]}},
    ]
    subscriptions = [subscribe(departments[1], each) for each in wanted]
    facts = read_facts(make(family="CT", regions=frozenset({"53120007"}), procedure="P1"))
    candidates = [rule.subscription.pk for rule in index_of(*subscriptions).find_candidates(facts)]
    assert candidates == [subscriptions[0].pk, subscriptions[3].pk]


@pytest.mark.parametrize(
    ("area", "found"),
    [
        (["lund"], [2]),  # neither a street, nor a former home, nor a place to stay, nor a part of a name
        (["Åre"], []),
        (["Skåne län", "östergötlands län"], [1, 2]),
        (["05"], [1]),
        (["1281"], [4]),
        (["Lunds kommun"], [3]),
    ],
)
def test_an_area_is_where_the_patient_lives(departments, make, area, found) -> None:
    index = index_of(subscribe(departments[0], {"residence_area": area}))
    studies = [make(addresses=addresses) for addresses in ADDRESSES]
    assert [n for n, each in enumerate(studies) if index.find(read_facts(each))] == found


def test_where_a_protected_person_lives_is_asked_by_no_filter(departments, make) -> None:
    study = make(addresses=ADDRESSES[1], postal_code="58225", is_protected=True)
    for wanted in ({"residence_area": ["Linköping"]}, {"residence": ["58"]}):
        index = index_of(subscribe(departments[0], wanted))
        assert index.find(read_facts(study)) == []
        assert not Study.objects.filter(compile_filter(read_filter(wanted), Owner(0, 0))).exists()


def test_what_no_filter_asks_for_is_not_read(departments, make) -> None:
    study = make(addresses=ADDRESSES[1], postal_code="58225", system=("pacs", "CT_AE"))
    lean = read_facts(study, asked=index_of(subscribe(departments[0], {"modality": ["CT"]})).asked)
    assert (lean.systems, lean.areas, lean.postal_code) == (frozenset(), frozenset(), "")
    whole = read_facts(study)
    assert whole.systems == {"pacs", "CT_AE"}
    assert len(whole.areas) == 3


@pytest.fixture
def make(departments):
    """Make a study that is nothing in particular but what is named."""

    def act(**values: Any) -> Study:
        plain: dict[str, Any] = {
            "custodian": 2,
            "family": "CT",
            "regions": frozenset({"774007"}),
            "modalities": frozenset({"CT"}),
            "system": ("", ""),
            "procedure": "P1",
            "orders": (),
            "postal_code": "",
            "addresses": (),
            "is_protected": False,
            "related": None,
            "relation_days": 1,
            "admitted": None,
            "admission_is_over": False,
            "state": "complete",
            "is_final": False,
        }
        return make_drawn(Drawn(**{**plain, **values}), departments)

    return act
