"""Destinations in the portal: who keeps them sees how each does and changes it; secrets go in and never come out."""

import pytest
from django.test import Client

from access.models import User
from access.secrets import unseal
from registry.models import Destination
from tests.support.people import give_assignment

PAGE = "/distribution/destinations/"
URL = "http://127.0.0.1:1/dicom-web/studies"


def make_keeper(department, *rights, **values):
    """Log somebody in who keeps the distribution of a department, in English."""
    user = User.objects.create(
        username=f"k{User.objects.count()}", first_name="Kim", last_name="Krok", **values
    )
    give_assignment(user, department, f"Systemförvaltare {user.pk}", rights)
    client = Client(headers={"accept-language": "en"})
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def keeper(world):
    return make_keeper(world.region.lund, "keep_destinations")


@pytest.fixture
def archive(world):
    return Destination.objects.create(department=world.region.lund, name="Arkivet", url=URL, token_sealed="x")


def filled(**values):
    """Return the form as a browser sends it."""
    return {"name": "PACS", "url": URL, "max_parallel": "2", "verify": "none", "active": "on"} | values


def test_only_who_keeps_destinations_comes_in(world, portal, keeper, archive):
    for address in (PAGE, f"{PAGE}new/", f"{PAGE}{archive.pk}/"):
        assert portal.get(address).status_code == 403, address
        assert keeper.get(address).status_code == 200, address
    assert 'href="/distribution/' not in portal.get("/").content.decode()
    assert 'href="/distribution/' in keeper.get("/").content.decode()


def test_those_of_other_departments_are_as_unknown_as_none(world, archive):
    stranger = make_keeper(world.region.ystad, "keep_destinations")
    assert "Arkivet" not in stranger.get(PAGE).content.decode()
    for pk in (archive.pk, 999999):
        assert stranger.get(f"{PAGE}{pk}/").status_code == 404
        assert stranger.post(f"{PAGE}{pk}/", filled()).status_code == 404
    body = filled(department=world.region.lund.pk)
    assert stranger.post(f"{PAGE}new/", body).status_code == 404


def test_staff_keeps_those_of_every_department(world, archive):
    staff = make_keeper(world.region.ystad, "map_codes", is_staff=True)
    assert "Arkivet" in staff.get(PAGE).content.decode()
    assert staff.get(f"{PAGE}{archive.pk}/").status_code == 200


def test_a_destination_is_created_with_its_hours(world, keeper):
    body = filled(
        department=world.region.lund.pk,
        token="s3cret",
        max_mbit="2.5",
        days_0=["0", "4"],
        from_0="18:00",
        to_0="06:00",
        mbit_0="40",
        parallel_0="0",
    )
    page = keeper.post(f"{PAGE}new/", body, follow=True).content.decode()
    assert "The destination is created" in page
    row = Destination.objects.get(name="PACS")
    assert unseal(row.token_sealed) == "s3cret"
    assert row.windows == [
        {"days": [0, 4], "from": "18:00", "to": "06:00", "max_parallel": 0, "max_mbit": 40.0}
    ]
    form = keeper.get(f"{PAGE}{row.pk}/").content.decode()
    assert "s3cret" not in form
    assert 'value="18:00"' in form
    assert "Forget the token" in form


def test_what_the_form_does_not_show_and_a_secret_left_empty_stay(keeper, archive):
    Destination.objects.update(procedure_codes={"CT": ["1", "L", "x"]}, max_instance_bytes=7)
    assert keeper.post(f"{PAGE}{archive.pk}/", filled(name="Nya")).status_code == 302
    archive.refresh_from_db()
    assert (archive.name, archive.token_sealed, archive.max_instance_bytes) == ("Nya", "x", 7)
    assert archive.procedure_codes == {"CT": ["1", "L", "x"]}
    keeper.post(f"{PAGE}{archive.pk}/", filled(forget_token="on"))
    archive.refresh_from_db()
    assert archive.token_sealed == ""


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"url": "ftp://x/y"}, "This is no address to send to: the address must begin with"),
        ({"url": "dicom://127.0.0.1:104"}, "called_ae_title has 0 characters"),
        ({"days_0": ["1"], "from_0": "18:00"}, "Hours need days, a beginning and an end."),
        ({"name": "Arkivet"}, "already"),
        ({"translates": "on"}, "patient_issuer"),
    ],
)
def test_what_is_no_destination_is_said_at_the_form(world, keeper, archive, values, named):
    page = keeper.post(f"{PAGE}new/", filled(department=world.region.lund.pk, **values)).content.decode()
    assert named in page
    assert Destination.objects.filter(department=world.region.lund).count() == 1


def test_the_list_says_how_each_does(keeper, archive):
    assert "In order" in keeper.get(PAGE).content.decode()
    Destination.objects.update(breaker="open", last_error="Connection refused")
    page = keeper.get(PAGE).content.decode()
    assert "Does not answer" in page
    assert "Connection refused" in page
    Destination.objects.update(held_reason="Byte av skiva", held_by="kim")
    assert "kim: Byte av skiva" in keeper.get(PAGE).content.decode()
    Destination.objects.update(active=False)
    assert "Switched off" in keeper.get(PAGE).content.decode()
