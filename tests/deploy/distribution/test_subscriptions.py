"""Subscriptions over the management API: checked, kept by their own department, each change in the log."""

from datetime import timedelta

import pytest
from django.utils import timezone

from access.models import AuditEvent
from registry.harmonise.duty import harmonise_studies
from registry.models import Destination, Subscription
from tests.deploy.distribution.conftest import Keeper
from tests.registry.factories import make_study

pytestmark = pytest.mark.django_db
PATH = "subscriptions"
CHEST = {"all": [{"modality_family": ["CT"]}, {"body_region": ["67734004"]}]}


@pytest.fixture
def body(hospital, archive):
    """What a subscription to chest CT says."""
    return {"department": hospital.hsa_id, "destination": archive.pk, "filter": CHEST}


def test_a_subscription_is_created_changed_and_removed(keeper, body, hospital, archive):
    hours = [{"days": [0], "from": "18:00", "to": "06:00"}]
    status, row = keeper.post(PATH, **body, wants=["images", "report"], window=hours, priority="urgent")
    assert status == 201
    assert (row["department"], row["destination_name"]) == (hospital.hsa_id, "PACS")
    kept = Subscription.objects.get()
    assert (kept.filter, kept.wants, kept.window, kept.priority) == (
        CHEST,
        ["images", "report"],
        hours,
        "urgent",
    )
    assert kept.created_by == keeper.user.username
    status, changed = keeper.send("patch", f"{PATH}/{row['id']}", filter={}, active=False)
    assert (status, changed["filter"], changed["active"], changed["priority"]) == (200, {}, False, "urgent")
    assert [found["id"] for found in keeper.get(PATH)[1]["results"]] == [row["id"]]
    assert keeper.send("delete", f"{PATH}/{row['id']}") == (204, None)
    assert keeper.get(f"{PATH}/{row['id']}")[0] == 404
    logged = AuditEvent.objects.filter(action__startswith="subscription_").order_by("pk")
    assert [event.action for event in logged] == [
        "subscription_add",
        "subscription_change",
        "subscription_end",
    ]
    assert logged[1].detail["fields"] == ["active", "filter"]


def test_another_department_is_unknown(keeper, stranger, body, clinic):
    row = keeper.post(PATH, **body)[1]
    assert stranger.get(PATH) == (200, {"results": []})
    for method in ("get", "patch", "delete"):
        answer = (
            stranger.send(method, f"{PATH}/{row['id']}")
            if method != "get"
            else stranger.get(f"{PATH}/{row['id']}")
        )
        assert answer[0] == 404
    assert stranger.post(PATH, **body)[0] == 404
    other = Destination.objects.create(department=clinic, name="B", url="worklist:")
    status, answer = keeper.post(PATH, **(body | {"destination": other.pk}))
    assert (status, answer["error"]) == (400, "destination: the department has no such destination")
    assert Subscription.objects.count() == 1


def test_only_who_keeps_subscriptions_may(hospital, keeper, body):
    row = keeper.post(PATH, **body)[1]
    for rights in (("read_studies", "push"), ("keep_destinations", "replay")):
        other = Keeper(hospital, *rights)
        assert other.get(PATH)[0] == other.post(PATH, **body)[0] == 403
        assert other.send("patch", f"{PATH}/{row['id']}", active=False)[0] == 403
        assert other.send("delete", f"{PATH}/{row['id']}")[0] == 403


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"filter": {"colour": ["red"]}}, "filter.colour: unknown test"),
        ({"filter": {"all": [{"body_region": ["knee"]}]}}, "filter.all[0].body_region[0]"),
        ({"filter": []}, "filter: "),
        ({"wants": ["everything"]}, "wants"),
        ({"from_state": "soon"}, "from_state"),
        ({"priority": "now"}, "priority"),
        ({"window": [{"days": []}]}, "window, window 1"),
        ({"window": [{"days": [1], "from": "1:00", "to": "02:00"}]}, "from is a time of day"),
        ({"window": [{"days": [1], "from": "01:00", "to": "02:00", "max_mbit": 3}]}, "window, window 1"),
        ({"weight": 0}, "weight: 0 is not from 1 to 100"),
        ({"max_priors": 21}, "max_priors"),
        ({"owner": "x"}, "unknown field 'owner'"),
    ],
)
def test_what_is_no_subscription_is_refused_with_its_place(keeper, body, values, named):
    status, answer = keeper.post(PATH, **(body | values))
    assert status == 400
    assert named in answer["error"]
    assert not Subscription.objects.exists()


def test_a_subscription_says_what_it_brings_in_both_languages(keeper, body):
    row = keeper.post(PATH, **body)[1]
    assert row["sentence"]["en"].startswith("CT of upper trunk")
    assert row["sentence"]["en"].endswith("to PACS.")
    assert row["sentence"]["sv"] != row["sentence"]["en"]


def test_a_preview_counts_what_would_have_come_and_keeps_nothing(keeper, body, clinic, hospital):
    today = timezone.localdate()
    study = make_study(clinic, study_description="DT thorax", study_date=f"{today:%Y%m%d}")
    make_study(clinic, modalities=("MR",), study_description="MR hjärna", study_date=f"{today:%Y%m%d}")
    make_study(hospital, study_description="DT thorax", study_date=f"{today:%Y%m%d}")
    make_study(clinic, study_description="DT thorax", study_date=f"{today - timedelta(days=30):%Y%m%d}")
    harmonise_studies()
    status, found = keeper.post(f"{PATH}/preview", **body)
    assert status == 200
    assert (found["days"], found["studies"], found["newest"]) == (7, 1, [study.study_instance_uid])
    assert found["families"] == [{"modality_family": "CT", "studies": 1}]
    assert found["sentence"]["en"].startswith("CT of upper trunk")
    assert not Subscription.objects.exists()
    assert keeper.post(f"{PATH}/preview", **(body | {"filter": {"colour": ["red"]}}))[0] == 400


def test_the_past_is_sent_by_who_may_send_again(keeper, stranger, body, clinic, hospital):
    day = timezone.localdate() - timedelta(days=30)
    make_study(clinic, study_description="DT thorax", study_date=f"{day:%Y%m%d}")
    harmonise_studies()
    row = keeper.post(PATH, **body)[1]
    asked = {"since": f"{day}", "until": f"{day}", "reason": "New archive"}
    path = f"{PATH}/{row['id']}/replay"
    assert keeper.post(path, **asked) == (200, {"studies": 1})
    assert stranger.post(path, **asked)[0] == 404
    assert Keeper(hospital, "keep_subscriptions").post(path, **asked)[0] == 403
    assert keeper.post(path, **(asked | {"since": "2999-01-01", "until": "2999-01-02"}))[0] == 400
    keeper.send("patch", f"{PATH}/{row['id']}", active=False)
    assert keeper.post(path, **asked)[0] == 409
