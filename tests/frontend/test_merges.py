"""Who keeps identities sees the two beside each other and decides with a reason; nobody else comes in or learns of it."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access.actor import Actor, Scope
from access.models import AuditEvent, User
from registry.identity import PatientNumber, find_patient
from registry.merge_requests import ask_to_merge, numbers_of
from registry.merges import merge
from registry.models import MergeRequest, PatientFlag, PatientIdentifier, PatientMerge
from tests.frontend import factory
from tests.registry.queue_of_merges import queue
from tests.support.people import give_assignment

__all__ = ["queue"]

MERGES = "/administration/merges/"
LOCAL = "1.2.752.1.1"
FEED = Actor(kind="system", subject="RIS", scope=Scope(), permissions=frozenset())


@pytest.fixture(autouse=True)
def no_second_factor(settings):
    settings.STEP_UP = False


def sign_in(department, *rights, username="idofficer", **values):
    user = User.objects.create(username=username, **values)
    give_assignment(user, department, f"Role {username}", rights)
    client = Client(headers={"accept-language": "en"})
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def officer(world):
    return sign_in(world.region.lund, "keep_identity")


@pytest.fixture
def waiting(world, queue):
    """Ask to make the patient of the world one with somebody of a local number, who has a study at Lund."""
    queue(LOCAL)
    other = factory.make_patient("Akesson^Marta", "L-77", national=False, patient_birth_date="19510306")
    factory.make_study(other, world.region.lund)
    row = ask_to_merge(_number(world.patient), _number(other), source="RIS|NORR", actor=FEED)
    assert isinstance(row, MergeRequest)
    return row


def _number(patient):
    row = PatientIdentifier.objects.get(patient=patient)
    return PatientNumber(row.value, row.issuer, row.is_national)


def page_of(client, address):
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def address_of(row):
    return f"{MERGES}requests/{row.pk}/"


def sides_of(row):
    return [find_patient(number) for number in numbers_of(row)]


def test_the_two_are_shown_beside_each_other_with_their_numbers(officer, waiting):
    listed = page_of(officer, MERGES)
    assert address_of(waiting) in listed
    for text in ("Märta Åkesson", "Marta Akesson", "19510305-1230", "L-77", "RIS|NORR"):
        assert text in listed, text
    page = page_of(officer, address_of(waiting))
    for text in ("Märta Åkesson", "Marta Akesson", "1951-03-05", "1951-03-06", "Lokalt nummer"):
        assert text in page, text
    assert page.index("19510305-1230") < page.index("L-77")
    read = AuditEvent.objects.filter(action="merge_read", actor="idofficer", door="portal")
    assert set(read.values_list("patient_id", flat=True)) == {patient.pk for patient in sides_of(waiting)}


def test_one_is_made_with_a_reason_and_undone_with_one(officer, waiting):
    nothing = officer.post(address_of(waiting), {"step": "make", "reason": " "})
    assert nothing.status_code == 200
    assert not PatientMerge.objects.exists()
    made = officer.post(address_of(waiting), {"step": "make", "reason": "Same card"}, follow=True)
    assert "The two are one now." in made.content.decode()
    merged = PatientMerge.objects.get()
    assert (merged.reason, len({patient.pk for patient in sides_of(waiting)})) == ("Same card", 1)
    told = AuditEvent.objects.filter(action="merge_made")
    assert set(told.values_list("actor", flat=True)) == {"idofficer"}
    again = officer.post(address_of(waiting), {"step": "refuse", "reason": "No"})
    assert "It has ended already" in again.content.decode()
    address = f"{MERGES}{merged.pk}/"
    assert address in page_of(officer, MERGES)
    page = page_of(officer, address)
    assert page.index("19510305-1230") < page.index("L-77")
    assert "1 study moved" in page
    parted = officer.post(address, {"reason": "Two people"}, follow=True).content.decode()
    assert "The two are two again." in parted
    assert "Undo the merge" not in parted
    merged.refresh_from_db()
    assert (merged.undone_by, merged.undo_reason) == ("idofficer", "Two people")
    assert len({patient.pk for patient in sides_of(waiting)}) == 2
    assert "as things are" in officer.post(address, {"reason": "Again"}).content.decode()


def test_one_is_refused_with_a_reason(officer, waiting):
    said = officer.post(
        address_of(waiting), {"step": "refuse", "reason": "Twins"}, follow=True
    ).content.decode()
    assert "the two stay two" in said
    assert address_of(waiting) not in said
    waiting.refresh_from_db()
    assert (waiting.decision, waiting.reason, waiting.decided_by) == ("refused", "Twins", "idofficer")
    assert "Make them one" not in page_of(officer, address_of(waiting))


def test_what_a_later_merge_rests_on_is_not_undone_first(officer, world, waiting):
    officer.post(address_of(waiting), {"step": "make", "reason": "Same card"})
    first = PatientMerge.objects.get()
    third = factory.make_patient("Ek^Maj", "L-78", national=False)
    later = merge(_number(third), numbers_of(waiting)[0], source="RIS")
    address = f"{MERGES}{first.pk}/"
    assert f"in this order: {later.pk}" in page_of(officer, address)
    assert "rests on it" in officer.post(address, {"reason": "Two"}).content.decode()
    first.refresh_from_db()
    assert first.undone_at is None


def test_making_and_undoing_need_a_fresh_second_factor(officer, waiting, settings):
    settings.STEP_UP = True
    answer = officer.post(address_of(waiting), {"step": "make", "reason": "Same card"})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/")
    assert not PatientMerge.objects.exists()
    merged = merge(*numbers_of(waiting), source="RIS")
    assert officer.post(f"{MERGES}{merged.pk}/", {"reason": "Two"})["Location"].startswith("/accounts/")
    merged.refresh_from_db()
    assert merged.undone_at is None


def test_nobody_else_comes_in_or_learns_of_it(portal, world, waiting):
    merged = merge(*reversed(numbers_of(waiting)), source="RIS")
    addresses = (MERGES, address_of(waiting), f"{MERGES}{merged.pk}/")
    others = [portal, sign_in(world.region.lund, "map_codes", username="staff", is_staff=True)]
    for client in others:
        for address in addresses:
            assert client.get(address).status_code == 403, address
        assert client.post(addresses[1], {"step": "make", "reason": "x"}).status_code == 403
        assert client.post(addresses[2], {"reason": "x"}).status_code == 403
        assert MERGES not in client.get("/log/").content.decode()
    stranger = sign_in(world.region.private, "keep_identity", username="stranger")
    page = page_of(stranger, MERGES)
    assert "Åkesson" not in page
    assert "Akesson" not in page
    for address in addresses[1:]:
        assert stranger.get(address).status_code == 404
        assert stranger.post(address, {"step": "refuse", "reason": "x"}).status_code == 404
    staff = sign_in(world.region.private, "keep_identity", username="region", is_staff=True)
    for address in addresses:
        assert "Akesson" in page_of(staff, address), address
    waiting.refresh_from_db()
    merged.refresh_from_db()
    assert (waiting.decision, merged.undone_at) == ("", None)


def test_nobody_decides_about_themselves(world, waiting):
    number = numbers_of(waiting)[0].value
    oneself = sign_in(world.region.lund, "keep_identity", username="self", national_number=number)
    assert address_of(waiting) not in page_of(oneself, MERGES)
    assert oneself.post(address_of(waiting), {"step": "make", "reason": "I know"}).status_code == 404
    merged = merge(*numbers_of(waiting), source="RIS")
    assert oneself.get(f"{MERGES}{merged.pk}/").status_code == 404


def test_of_a_protected_identity_no_place_is_said(officer, waiting):
    local = find_patient(numbers_of(waiting)[1])
    PatientFlag.objects.create(patient=local, kind="protected_2", registered_at=timezone.now())
    for address in (MERGES, address_of(waiting)):
        page = page_of(officer, address)
        assert "Protected identity" in page
        assert "L-77" in page
        for place in ("RIS|NORR", "Lokalt nummer"):
            assert place not in page, (address, place)


def test_only_who_has_the_right_sees_the_way_there(officer, portal):
    way = f'href="{reverse("merges")}"'
    assert way in page_of(officer, "/log/")
    assert way not in page_of(portal, "/log/")
