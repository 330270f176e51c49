"""Destinations in the portal: who keeps them sees how each does and changes it; secrets go in and never come out."""

import html
import re

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


def test_a_secret_left_empty_stays_and_so_does_a_limit_to_the_byte(keeper, archive):
    Destination.objects.update(max_instance_bytes=7_000_001, character_set="8859/1")
    shown = re.search(
        r'name="max_instance_mib" value="([^"]+)"', keeper.get(f"{PAGE}{archive.pk}/").content.decode()
    )[1]
    assert shown == "6.675721"
    body = filled(name="Nya", max_instance_mib=shown)
    assert keeper.post(f"{PAGE}{archive.pk}/", body).status_code == 302
    archive.refresh_from_db()
    assert (archive.name, archive.token_sealed, archive.max_instance_bytes) == ("Nya", "x", 7_000_001)
    assert archive.character_set == "8859/1", "what the form does not show stays"
    keeper.post(f"{PAGE}{archive.pk}/", filled(forget_token="on", max_instance_mib="2.5"))
    archive.refresh_from_db()
    assert (archive.token_sealed, archive.max_instance_bytes) == ("", 2_621_440)


def test_what_a_receiver_takes_is_stated_and_shown_as_it_is_kept(world, keeper):
    """Transfer syntaxes in their order, a limit of size, and its own procedure codes, typed or pasted from a table."""
    body = filled(
        department=world.region.lund.pk,
        syntax_0="1.2.840.10008.1.2.4.80",
        syntax_2="1.2.840.10008.1.2.1",
        max_instance_mib="512",
        translates="on",
        patient_issuer="1.2.752.97.1",
        procedure_codes="CT.HEAD; 8000; 99LUND; DT hjärna\n\nMR.KNEE\t8100\t99LUND\tMR knä; vänster",
    )
    assert keeper.post(f"{PAGE}new/", body).status_code == 302
    row = Destination.objects.get(name="PACS")
    codes = {"CT.HEAD": ["8000", "99LUND", "DT hjärna"], "MR.KNEE": ["8100", "99LUND", "MR knä; vänster"]}
    assert row.transfer_syntaxes == ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.1"]
    assert (row.max_instance_bytes, row.procedure_codes) == (512 << 20, codes)

    Destination.objects.update(transfer_syntaxes=["1.2.840.10008.1.2.4.90", "1.2.3.4.5"])  # over the API
    page = keeper.get(f"{PAGE}{row.pk}/").content.decode()
    chosen = re.findall(r'<option value="([\d.]+)" selected>', page)
    assert chosen == ["1.2.840.10008.1.2.4.90", "1.2.3.4.5"]
    written = html.unescape(re.search(r'name="procedure_codes"[^>]*>\s*([^<]+)</textarea>', page)[1])
    sent = body | {f"syntax_{number}": uid for number, uid in enumerate(chosen)} | {"syntax_2": ""}
    assert keeper.post(f"{PAGE}{row.pk}/", sent | {"procedure_codes": written}).status_code == 302
    row.refresh_from_db()
    assert (row.transfer_syntaxes, row.procedure_codes) == (chosen, codes)


def test_who_tells_of_merges_is_a_destination_of_the_department_that_speaks_hl7(world, keeper, archive):
    Destination.objects.create(department=world.region.lund, name="HL7", url="mllp://127.0.0.1:1")
    Destination.objects.create(department=world.region.ystad, name="Annan", url="mllp://127.0.0.1:1")
    page = keeper.get(f"{PAGE}{archive.pk}/").content.decode()
    assert '<option value="HL7">' in page
    assert '<option value="Annan">' not in page
    assert keeper.post(f"{PAGE}{archive.pk}/", filled(corrected_through="HL7")).status_code == 302
    archive.refresh_from_db()
    assert archive.corrected_through == "HL7"
    assert keeper.post(f"{PAGE}{archive.pk}/", filled(corrected_through="Annan")).status_code == 200


@pytest.mark.parametrize(
    ("values", "field", "named"),
    [
        ({"url": "ftp://x/y"}, "url", "This is no address to send to: the address must begin with"),
        ({"url": "dicom://127.0.0.1:104"}, "called_ae_title", "A system that speaks DIMSE has an AE title."),
        ({"days_0": ["1"], "from_0": "18:00"}, "from_0", "Hours need days, a beginning and an end."),
        ({"name": "Arkivet"}, "name", "The department has a destination of this name already."),
        ({"translates": "on"}, "patient_issuer", "Say whose patient numbers it reads."),
        ({"accession_issuer": "Lund"}, "accession_issuer", "This is no OID"),
        ({"trusted_certificates": "x"}, "trusted_certificates", "This was not taken: "),
        ({"max_instance_mib": "0"}, "max_instance_mib", "greater than or equal"),
        ({"syntax_0": "1.2"}, "syntax_0", "1.2 is not one of the available choices"),
        (
            {"syntax_0": "1.2.840.10008.1.2.5", "syntax_1": "1.2.840.10008.1.2.5"},
            "syntax_1",
            "This transfer syntax is chosen already",
        ),
        ({"procedure_codes": "A; 1; L; x\nB; 2; L"}, "procedure_codes", "Line 2: four fields are needed"),
        ({"procedure_codes": "A; ; L; x"}, "procedure_codes", "Line 1: a code is empty."),
        (
            {"procedure_codes": "A; 1; L; x\nA; 2; L; y"},
            "procedure_codes",
            "the regional code A is there already",
        ),
        ({"procedure_codes": f"A; {'1' * 17}; L; x"}, "procedure_codes", "at most 16 characters"),
    ],
)
def test_what_is_no_destination_is_said_beside_its_field(world, keeper, archive, values, field, named):
    page = keeper.post(f"{PAGE}new/", filled(department=world.region.lund.pk, **values)).content.decode()
    beside = re.search(rf'id="id_{field}_error">([^<]+)<', page)
    assert beside is not None
    assert named in html.unescape(beside[1])
    assert Destination.objects.filter(department=world.region.lund).count() == 1


def test_names_of_other_departments_are_not_found_out_by_the_form(world, archive):
    stranger = make_keeper(world.region.ystad, "keep_destinations")
    assert (
        stranger.post(f"{PAGE}new/", filled(department=world.region.lund.pk, name="Arkivet")).status_code
        == 404
    )


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
