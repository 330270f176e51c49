"""Subscriptions in the portal: written in fields, read as a sentence, held against the past before they are kept."""

import pytest
from django.utils import timezone

from frontend.forms.wish import Fields, read_fields, write_filter
from registry.harmonise.duty import harmonise_studies
from registry.models import Change, Destination, Subscription
from tests.frontend.test_destinations import make_keeper
from tests.registry.factories import make_study

PAGE = "/distribution/subscriptions/"
CHEST = {"all": [{"modality_family": ["CT"]}, {"body_region": ["67734004"]}]}

PLACES = [
    {"residence": ["223", "224"]},
    {"residence_area": ["Lund", "Kävlinge kommun"]},
    {"source_system": ["CT1_LUND"]},
]


@pytest.fixture
def archive(world):
    return Destination.objects.create(department=world.region.lund, name="Arkivet", url="worklist:")


@pytest.fixture
def keeper(world, archive):
    return make_keeper(world.region.lund, "keep_subscriptions", "replay")


def filled(archive, **values):
    """Return the editor as a browser sends it."""
    usual = {
        "destination": archive.pk,
        "wants": ["images", "sr", "key_images"],
        "from_state": "complete",
        "priority": "normal",
        "max_priors": "3",
        "max_prior_years": "10",
        "active": "on",
        "emergency": "",
        "report_final": "",
    }
    return usual | values


def test_only_who_keeps_subscriptions_comes_in(world, portal, keeper, archive):
    row = Subscription.objects.create(department=world.region.lund, destination=archive)
    new = f"{PAGE}of/{world.region.lund.pk}/new/"
    stranger = make_keeper(world.region.ystad, "keep_subscriptions")
    for address in (PAGE, new, f"{PAGE}{row.pk}/"):
        assert portal.get(address).status_code == 403, address
        assert keeper.get(address).status_code == 200, address
    assert "Arkivet" not in stranger.get(PAGE).content.decode()
    for address in (new, f"{PAGE}{row.pk}/", f"{PAGE}999999/"):
        assert stranger.get(address).status_code == 404, address
    for act in ("remove", "replay"):
        assert stranger.post(f"{PAGE}{row.pk}/{act}/").status_code in (403, 404)
    assert Subscription.objects.exists()


def test_a_subscription_is_written_in_fields_and_listed_as_a_sentence(world, keeper, archive):
    body = filled(
        archive,
        modality_family=["CT"],
        body_region=["67734004"],
        emergency="yes",
        residence="223 224",
        residence_area="Lund,  Kävlinge kommun , ",
        source_system="CT1_LUND",
        wants=["images", "report"],
        priority="urgent",
        days_0=["0"],
        from_0="18:00",
        to_0="06:00",
    )
    page = keeper.post(f"{PAGE}of/{world.region.lund.pk}/new/", body, follow=True).content.decode()
    assert "CT of upper trunk" in page
    row = Subscription.objects.get()
    assert row.filter == {"all": [*CHEST["all"], *PLACES, {"emergency": True}]}
    assert (row.wants, row.priority) == (["images", "report"], "urgent")
    assert row.window == [{"days": [0], "from": "18:00", "to": "06:00"}]
    form = keeper.get(f"{PAGE}{row.pk}/").content.decode()
    assert 'value="223 224"' in form
    assert 'value="Lund, Kävlinge kommun"' in form
    assert 'value="CT1_LUND"' in form
    assert 'value="67734004" ' in form or 'value="67734004"' in form
    keeper.post(f"{PAGE}{row.pk}/", filled(archive))
    row.refresh_from_db()
    assert (row.filter, row.wants, row.window) == ({}, [], [])


def test_the_preview_says_what_it_means_and_what_would_have_come(world, keeper, archive):
    make_study(
        world.region.ystad, study_description="DT thorax", study_date=f"{timezone.localdate():%Y%m%d}",
        patient_name="Hemlig^Hilda",
    )  # fmt: skip
    harmonise_studies()
    address = f"{PAGE}of/{world.region.lund.pk}/preview/"
    page = keeper.post(
        address, filled(archive, modality_family=["CT"], body_region=["67734004"])
    ).content.decode()
    assert "CT of upper trunk" in page
    assert ">1</strong>" in page
    assert "DT thorax" in page
    assert "Hilda" not in page
    nothing = keeper.post(address, filled(archive, modality_family=["MG"])).content.decode()
    assert ">0</strong>" in nothing
    assert "Choose what is sent" in keeper.post(address, filled(archive, wants=[])).content.decode()
    assert not Subscription.objects.exists()


def test_a_filter_that_fields_cannot_say_is_kept_as_it_is(world, keeper, archive):
    wanted = {"any": [{"modality_family": ["CT"]}, {"not": {"emergency": True}}]}
    row = Subscription.objects.create(department=world.region.lund, destination=archive, filter=wanted)
    form = keeper.get(f"{PAGE}{row.pk}/").content.decode()
    assert "says more than these fields can" in form
    assert 'name="body_region"' not in form
    keeper.post(f"{PAGE}{row.pk}/", filled(archive, priority="bulk"))
    row.refresh_from_db()
    assert (row.filter, row.priority) == (wanted, "bulk")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"wants": []}, "What is sent"),
        ({"destination": "999999"}, "To"),
        ({"source_system": 65 * "x"}, "A name has 64 characters at most."),
        ({"residence": "abc"}, "A postal code is 1 to 5 digits."),
        ({"days_0": ["1"]}, "Hours need days, a beginning and an end."),
        ({"body_region": ["knee"]}, "Body regions"),
    ],
)
def test_what_is_no_subscription_is_said_at_the_form(world, keeper, archive, values, named):
    page = keeper.post(f"{PAGE}of/{world.region.lund.pk}/new/", filled(archive, **values)).content.decode()
    assert "This has to be corrected:" in page
    assert named in page
    assert not Subscription.objects.exists()


def test_the_past_is_sent_and_a_subscription_removed(world, keeper, archive):
    row = Subscription.objects.create(department=world.region.lund, destination=archive)
    make_study(world.region.ystad, study_date="20260110")
    asked = {"since": "2026-01-10", "until": "2026-01-10", "reason": "Nytt arkiv"}
    page = keeper.post(f"{PAGE}{row.pk}/replay/", asked, follow=True).content.decode()
    assert "1 studies match" in page
    assert Change.objects.filter(kind="replay").count() == 1
    wrong = keeper.post(f"{PAGE}{row.pk}/replay/", {"since": "x"}, follow=True).content.decode()
    assert "Say from which day to which" in wrong
    assert "is removed" in keeper.post(f"{PAGE}{row.pk}/remove/", follow=True).content.decode()
    assert not Subscription.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        Fields({}, {}),
        Fields({}, {}, takes_own=True),
        Fields({"modality_family": ["CT"]}, {}),
        Fields(
            {"modality_family": ["CT", "MR"], "performing_unit": ["SE1"]}, {"emergency": "no"}, takes_own=True
        ),
        Fields({}, {"report_final": "yes"}),
    ],
)
def test_fields_are_read_back_as_they_were_written(fields):
    assert read_fields(write_filter(fields)) == fields


@pytest.mark.parametrize(
    "wanted",
    [
        {"any": [{"modality_family": ["CT"]}]},
        {"all": [{"modality_family": ["CT"]}, {"modality_family": ["MR"]}]},
        {"not": {"emergency": True}},
        {"source": ["SE1"]},
        {"source_system": ["CT1, old"]},
    ],
)
def test_what_fields_cannot_say_is_not_read(wanted):
    assert read_fields(wanted) is None
