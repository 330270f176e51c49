"""Send now in the portal: a form, then what arrives and who opens it; for who keeps the study."""

import re

import pytest

from access.authentication import SESSION_ASSIGNMENT
from registry.models import SendRequest, WorklistItem
from repository.delivery.planning.plan import plan_deliveries
from tests.frontend import factory


@pytest.fixture
def ward(world, portal):
    """Whom something is sent to, by somebody whose assignment includes that."""
    sending = factory.assign(world.person, world.region.lund, "Sändande läkare", ("read_studies", "push"))
    session = portal.session
    session[SESSION_ASSIGNMENT] = sending.pk
    session.save()
    return world.region.private


def send(portal, path, department, **values):
    body = {
        "department": department.pk,
        "reason": "Överflyttning i natt",
        "priority": "urgent",
        "with_priors": "on",
    }
    return portal.post(path, body | values, follow=True)


def test_a_study_is_sent_and_followed(world, portal, ward):
    uid = world.study.study_instance_uid
    path = f"/studies/{uid}/send/"
    assert f'href="{path}"' in portal.get(f"/studies/{uid}/").content.decode()
    page = send(portal, path, ward).content.decode()
    request = SendRequest.objects.get()
    assert (request.department, request.reason, request.study) == (ward, "Överflyttning i natt", world.study)
    assert "Being prepared" in page
    plan_deliveries()
    assert WorklistItem.objects.get().department == ward
    page = portal.get(f"/sendings/{request.pk}/").content.decode()
    assert "On the worklist" in page
    seen = re.search(r"seen=(\w+)", page)[1]
    assert portal.get(f"/sendings/{request.pk}/part/", {"seen": seen}).status_code == 204
    assert "Överflyttning i natt" in portal.get("/sendings/").content.decode()


def test_all_of_a_patient_is_sent(world, portal, ward):
    page = send(portal, f"/patients/{world.patient.pk}/send/", ward).content.decode()
    assert SendRequest.objects.get().study is None
    assert "Sent to" in page


def test_what_is_not_chosen_is_asked_for(world, portal, ward):
    path = f"/studies/{world.study.study_instance_uid}/send/"
    page = portal.post(path, {"reason": "x", "priority": "urgent"}).content.decode()
    assert page.count('class="field-error"') == 2
    assert not SendRequest.objects.exists()


def test_priors_stay_where_they_are_not_wanted(world, portal, ward):
    send(portal, f"/studies/{world.study.study_instance_uid}/send/", ward, with_priors="")
    assert "priors" not in SendRequest.objects.get().wants


def test_it_is_taken_back_once(world, portal, ward):
    send(portal, f"/studies/{world.study.study_instance_uid}/send/", ward)
    path = f"/sendings/{SendRequest.objects.get().pk}/take-back/"
    assert "Taken back" in portal.post(path, follow=True).content.decode()
    assert "ended already" in portal.post(path, follow=True).content.decode()


def test_a_study_that_another_unit_keeps_is_not_the_readers_to_send(world, portal, ward):
    foreign = factory.make_study(world.patient, ward)
    assert portal.get(f"/studies/{foreign.study_instance_uid}/send/").status_code == 404


def test_who_may_not_push_is_offered_nothing(world, portal):
    uid = world.study.study_instance_uid
    assert "/send/" not in portal.get(f"/studies/{uid}/").content.decode()
    assert portal.get(f"/studies/{uid}/send/").status_code == 403
    assert portal.get("/sendings/").status_code == 403


def test_a_provider_that_says_who_receives_is_offered_as_such(world, portal, ward):
    path = f"/studies/{world.study.study_instance_uid}/send/"
    assert '<optgroup label="Care providers">' not in portal.get(path).content.decode()
    provider = ward.unit.provider
    provider.received_by = ward
    provider.save()
    page = portal.get(path).content.decode()
    offered = page.split('<optgroup label="Care providers">')[1].split("</optgroup>")[0]
    assert re.findall(r'<option value="(\d+)">([^<]*)<', offered) == [(str(ward.pk), provider.name)]
    send(portal, path, ward)
    assert SendRequest.objects.get().department == ward
