"""Reading a filter: what is known, and what a wrong one is told."""

from typing import Any

import pytest

from registry.noted import InvalidEntry
from registry.wishes.filter import (
    MOST_DEPTH,
    MOST_NODES,
    MOST_VALUES,
    Filter,
    Flag,
    Group,
    Not,
    UnknownFilter,
    ValueTest,
    read_filter,
    walk,
)


def test_reads_a_tree() -> None:
    value = {
        "all": [
            {"modality_family": ["CT", "MR"]},
            {"any": [{"emergency": True}, {"not": {"patient_class": ["I"]}}]},
        ]
    }
    assert read_filter(value) == Filter(
        Group(
            "all",
            (
                ValueTest("modality_family", ("CT", "MR")),
                Group("any", (Flag("emergency", True), Not(ValueTest("patient_class", ("I",))))),
            ),
        )
    )


def test_an_empty_filter_takes_all_but_the_own() -> None:
    assert read_filter({}) == Filter(None, not_from_self=True)
    assert read_filter({"not_from_self": False}) == Filter(None, not_from_self=False)
    assert read_filter({"not_from_self": False, "modality": ["CT"]}).node == ValueTest("modality", ("CT",))


@pytest.mark.parametrize(
    ("value", "place", "said"),
    [
        ([], "filter", "an object"),
        ({"colour": ["red"]}, "filter.colour", "unknown test"),
        ({"modality": ["CT"], "procedure": ["1"]}, "filter", "one key"),
        ({"all": []}, "filter.all", "at least one"),
        ({"all": [{"modality": ["CT"]}, {"any": [{"body_region": ["1"]}]}]}, "filter.all[1].any[0].body_region[0]", "known are"),
        ({"modality_family": ["ct"]}, "filter.modality_family[0]", "'ct' is unknown"),
        ({"modality": "CT"}, "filter.modality", "a list of 1 to"),
        ({"modality": [7]}, "filter.modality[0]", "a text"),
        ({"modality": [" "]}, "filter.modality[0]", "a text"),
        ({"modality": ["C\0"]}, "filter.modality[0]", "a text"),
        ({"modality": []}, "filter.modality", "a list of 1 to"),
        ({"modality": ["CT"] * (MOST_VALUES + 1)}, "filter.modality", f"1 to {MOST_VALUES}"),
        ({"emergency": "yes"}, "filter.emergency", "true or false"),
        ({"not_from_self": 1}, "filter.not_from_self", "true or false"),
        ({"all": [{"not_from_self": True}]}, "filter.all[0].not_from_self", "unknown test"),
        ({"residence": ["582 25"]}, "filter.residence[0]", "postal code"),
        ({"care_relation": ["provider"]}, "filter.care_relation[0]", "department, unit"),
        ({"study_state": ["done"]}, "filter.study_state[0]", "in_progress, complete, verified"),
        ({"all": [{"modality": ["CT"]}] * MOST_NODES}, f"filter.all[{MOST_NODES - 1}]", f"at most {MOST_NODES}"),
    ],
)  # fmt: skip
def test_a_wrong_one_is_told_where(value: Any, place: str, said: str) -> None:
    with pytest.raises(UnknownFilter) as raised:
        read_filter(value)
    assert str(raised.value).startswith(f"{place}: ")
    assert said in str(raised.value)
    assert isinstance(raised.value, InvalidEntry)


def test_depth_is_limited() -> None:
    value: dict[str, Any] = {"modality": ["CT"]}
    for _ in range(MOST_DEPTH - 1):
        value = {"not": value}
    assert len(list(walk(read_filter(value).node))) == MOST_DEPTH
    with pytest.raises(UnknownFilter, match=f"at most {MOST_DEPTH} deep"):
        read_filter({"not": value})
