"""The body of a store answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repository.delivery.receivers.store_answer import StoreAnswer, UnreadableAnswer, read_answer
from tests.support.receiver import module


def test_sorts_instances_by_what_is_said_of_them():
    content = module(["1.1", "1.2"], {"1.3": 0x0122, "1.4": 0xA701, "1.5": 0xC122, "1.6": 0x9999})
    answer = read_answer(content)
    assert answer.stored == {"1.1", "1.2"}
    assert answer.busy == {"1.4"}
    assert answer.failed == {
        "1.3": "it does not take this SOP class (0122)",
        "1.5": "it does not take this transfer syntax (C122)",
        "1.6": "refused (9999)",
    }


def test_an_instance_said_to_be_both_is_not_stored():
    answer = read_answer(module(["1.1", "1.2"], {"1.1": 0x0110, "1.2": 0xA700}))
    assert answer.stored == frozenset()


def test_reads_a_data_set_wrapped_in_a_list():
    wrapped = b"[" + module(["1.1"]) + b"]"
    assert read_answer(wrapped) == StoreAnswer(frozenset({"1.1"}), {}, frozenset())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"<html>", "begins '<html>'"),
        (b"\xff\xfe", "not DICOM JSON"),
        (b"[]", "no data set"),
        (b"{}", "no instance"),
        (b'{"00081199": {"vr": "SQ"}}', "no instance"),
        (b'{"00081199": {"vr": "SQ", "Value": [{}, null, {"00081155": {"Value": [7]}}]}}', "no instance"),
    ],
)
def test_says_what_the_answer_is_instead(content, message):
    with pytest.raises(UnreadableAnswer, match=message):
        read_answer(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["00081199", "00081198", "00081155", "00081197", "Value", "vr"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_json_comes_it_is_an_answer_or_unreadable(value):
    try:
        answer = read_answer(json.dumps(value).encode())
    except UnreadableAnswer:
        return
    assert answer.stored | answer.failed.keys() | answer.busy
    assert not answer.stored & answer.failed.keys()
