"""The department's worklist in the portal: urgent first, one click to the images, worked off, live."""

import re

import pytest

from access.models import AuditEvent
from registry.models import WorklistItem
from registry.worklist import put_on_worklist
from tests.frontend import factory
from tests.registry.factories import make_relation

WORKLIST = "/worklist/"


@pytest.fixture
def item(world):
    return put_on_worklist(world.region.lund, world.study, priority_rank=1, reason="Inför operation")


def test_the_list_shows_what_came_and_leads_to_the_images(world, portal, item):
    page = portal.get(WORKLIST).content.decode()
    assert "DT thorax uppföljning" in page
    assert "Inför operation" in page
    assert "1 not opened" in page
    images = portal.get(f"{WORKLIST}{item.pk}/images/")
    assert images.headers["Location"] == world.pages["stepper"]
    portal.get(images.headers["Location"])
    item.refresh_from_db()
    assert (item.state, item.opened_by) == ("opened", world.person.username)
    assert "not opened" not in portal.get(WORKLIST).content.decode()


def test_what_is_urgent_stands_first(world, portal, item):
    urgent = factory.make_study(world.patient, world.region.lund, study_description="DT hjärna akut")
    put_on_worklist(world.region.lund, urgent, priority_rank=0)
    page = portal.get(WORKLIST).content.decode()
    assert page.index("DT hjärna akut") < page.index("DT thorax uppföljning")


def test_a_study_without_pictures_leads_to_its_page(world, portal):
    empty = factory.make_study(world.patient, world.region.lund)
    row = put_on_worklist(world.region.lund, empty)
    images = portal.get(f"{WORKLIST}{row.pk}/images/")
    assert images.headers["Location"] == f"/studies/{empty.study_instance_uid}/"


def test_an_item_is_worked_off_once(world, portal, item):
    done = portal.post(f"{WORKLIST}{item.pk}/done/", follow=True).content.decode()
    assert "The study is worked off." in done
    assert "DT thorax uppföljning" not in done
    assert "DT thorax uppföljning" in portal.get(WORKLIST, {"list": "done"}).content.decode()
    again = portal.post(f"{WORKLIST}{item.pk}/done/", follow=True).content.decode()
    assert "ended already" in again
    assert AuditEvent.objects.filter(action="worklist_done").count() == 1


def test_the_live_part_answers_only_when_something_changed(world, portal, item):
    seen = re.search(r"seen=(\w+)", portal.get(WORKLIST).content.decode())[1]
    assert portal.get(f"{WORKLIST}part/", {"seen": seen}).status_code == 204
    put_on_worklist(world.region.lund, world.older)
    changed = portal.get(f"{WORKLIST}part/", {"seen": seen})
    assert changed.status_code == 200
    assert "UL buk" in changed.content.decode()


def test_what_does_not_open_names_nobody(world, portal, item):
    patient = factory.make_patient("Okänd^Olga", "L9", national=False)
    hidden = factory.make_study(patient, world.region.ystad, study_description="MR rygg")
    make_relation(patient, world.region.lund.unit)
    put_on_worklist(world.region.lund, hidden)
    page = portal.get(WORKLIST).content.decode()
    assert "does not open to you yet" in page
    assert "Olga" not in page
    assert "MR rygg" not in page


def test_items_of_another_department_are_as_unknown_as_none(world, portal):
    other = put_on_worklist(world.region.ystad, world.older)
    assert "UL buk" not in portal.get(WORKLIST).content.decode()
    for pk in (other.pk, 999999):
        assert portal.get(f"{WORKLIST}{pk}/images/").status_code == 404
        assert portal.post(f"{WORKLIST}{pk}/done/").status_code == 404
    assert WorklistItem.objects.get().state == "new"
