"""The worklist: urgent first, nothing that may not be known, opened and done by the department's own people."""

import pytest

from registry.models import Change, WorklistItem
from registry.noted import EndedEntry, MissingRight, UnknownEntry
from registry.worklist import (
    count_open,
    mark_done,
    note_opened,
    put_on_worklist,
    read_worklist,
    withdraw_items,
)
from tests.registry.care import make_doctor, told_of
from tests.registry.factories import make_department, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def ward():
    return make_department()


@pytest.fixture
def doctor(ward):
    return make_doctor(ward)


def uids_of(rows):
    return [row.item.study.study_instance_uid for row in rows]


def test_urgent_comes_first_and_then_what_changed_last(ward, doctor):
    first, second, urgent = (make_study(ward) for _ in range(3))
    put_on_worklist(ward, first)
    put_on_worklist(ward, second)
    put_on_worklist(ward, urgent, priority_rank=0, reason="stroke")
    rows = read_worklist(doctor, ward)
    assert uids_of(rows) == [s.study_instance_uid for s in (urgent, second, first)]
    assert rows[0].item.reason == "stroke"
    put_on_worklist(ward, first)
    assert uids_of(read_worklist(doctor, ward))[1] == first.study_instance_uid
    assert WorklistItem.objects.count() == 3
    assert Change.objects.filter(kind="worklist").count() == 4


def test_what_is_not_permitted_is_not_spoken_of(ward, doctor):
    put_on_worklist(ward, make_study(make_department()))
    assert read_worklist(doctor, ward) == []
    assert count_open(ward) == 1


def test_the_list_of_another_department_is_closed(ward):
    item = put_on_worklist(ward, make_study(ward))
    stranger = make_doctor(make_department())
    with pytest.raises(MissingRight):
        read_worklist(stranger, ward)
    with pytest.raises(UnknownEntry):
        mark_done(stranger, item.pk)
    note_opened(stranger, item.study_id)
    assert WorklistItem.objects.get().state == "new"


def test_an_item_is_opened_then_done_and_comes_back_when_more_arrives(ward, doctor):
    study = make_study(ward)
    item = put_on_worklist(ward, study, priority_rank=2)
    note_opened(doctor, study.pk)
    opened = WorklistItem.objects.get()
    assert (opened.state, opened.opened_by) == ("opened", doctor.subject)
    assert count_open(ward) == 0
    done = mark_done(doctor, item.pk, door="portal")
    assert (done.state, done.done_by) == ("done", doctor.subject)
    assert told_of("worklist_done").study_instance_uid == study.study_instance_uid
    assert read_worklist(doctor, ward) == []
    assert uids_of(read_worklist(doctor, ward, ("done",))) == [study.study_instance_uid]
    with pytest.raises(EndedEntry):
        mark_done(doctor, item.pk)
    put_on_worklist(ward, study, priority_rank=1)
    again = WorklistItem.objects.get()
    assert (again.state, again.done_at, again.priority_rank) == ("new", None, 1)


def test_a_study_that_is_withdrawn_leaves_the_lists(ward, doctor):
    study = make_study(ward)
    put_on_worklist(ward, study)
    assert withdraw_items(study) == 1
    assert read_worklist(doctor, ward) == []
