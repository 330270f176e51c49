"""Deliveries over the management API: found by what one knows of them, page by page, those of others unknown."""

from datetime import timedelta

import pytest
from django.utils import timezone

from access.models import AuditEvent
from registry.models import Destination, PatientIdentifier
from repository.models import Attempt, Delivery, DeliveryItem
from tests.deploy.distribution.conftest import Keeper
from tests.registry.factories import make_study, make_uid

pytestmark = pytest.mark.django_db
PATH = "deliveries"
PERSONAL_NUMBER_OID = "1.2.752.129.2.1.3.1"


def make_delivery(study, destination, **values):
    """Write a delivery as planning does."""
    now = timezone.now()
    values = {
        "generation": 1,
        "reason_code": "queued",
        "planned_at": now,
        "not_before": now,
        "deadline_at": now + timedelta(days=1),
    } | values
    return Delivery.objects.create(study=study, destination=destination, **values)


@pytest.fixture
def study(clinic):
    return make_study(clinic)


@pytest.fixture
def delivery(study, archive):
    row = make_delivery(study, archive, attempts=1, reason="503")
    for state in ("waiting", "delivered", "delivered"):
        DeliveryItem.objects.create(delivery=row, sop_instance_uid=make_uid(), state=state)
    return row


def ids(answer):
    status, found = answer
    assert status == 200
    return [row["id"] for row in found["results"]]


def test_a_delivery_says_where_it_stands(keeper, delivery, study, archive, hospital):
    Attempt.objects.create(
        delivery=delivery, started_at=timezone.now(), worker="w", http_status=503, error="busy"
    )
    status, row = keeper.get(f"{PATH}/{delivery.pk}")
    assert status == 200
    assert row["study_instance_uid"] == study.study_instance_uid
    assert (row["destination"], row["department"]) == (archive.pk, hospital.hsa_id)
    assert (row["instances"], row["instances_arrived"]) == (3, 2)
    assert (row["reason"], row["receiver_says"]) == ("Waits for its turn.", "503")
    tries = keeper.get(f"{PATH}/{delivery.pk}/attempts")[1]["results"]
    assert [(row["http_status"], row["error"]) for row in tries] == [(503, "busy")]


def test_deliveries_are_narrowed_by_everything_that_is_asked(
    keeper, delivery, study, archive, clinic, hospital
):
    other = Destination.objects.create(department=hospital, name="Old", url="http://127.0.0.1:1/studies")
    old = timezone.now() - timedelta(days=3)
    prior = make_delivery(make_study(clinic), other, kind="prior", state="dead", planned_at=old)
    everything = [prior.pk, delivery.pk]
    assert ids(keeper.get(PATH)) == everything
    for query, expected in (
        ({"state": "dead"}, [prior.pk]),
        ({"state": ["dead", "ready"]}, everything),
        ({"destination": archive.pk}, [delivery.pk]),
        ({"kind": "prior"}, [prior.pk]),
        ({"study": study.study_instance_uid}, [delivery.pk]),
        ({"planned_before": (old + timedelta(days=1)).isoformat()}, [prior.pk]),
        ({"planned_since": (old + timedelta(days=1)).isoformat()}, [delivery.pk]),
        ({"state": "held"}, []),
    ):
        assert ids(keeper.get(PATH, **query)) == expected, query
        body = {
            name: value if name in ("study", "planned_before", "planned_since") else as_list(value)
            for name, value in query.items()
        }
        assert ids(keeper.post(f"{PATH}/search", **body)) == expected, body


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_pages_follow_each_other_without_gap_or_repetition(keeper, archive, clinic):
    study = make_study(clinic)
    made = [make_delivery(study, archive, generation=number).pk for number in range(1, 8)]
    seen: list[int] = []
    cursor: dict[str, int] = {}
    while True:
        status, page = keeper.get(PATH, limit=3, **cursor)
        assert status == 200
        seen += [row["id"] for row in page["results"]]
        make_delivery(study, archive, generation=100 + len(seen))  # what comes meanwhile moves no page
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == made[::-1]


def test_a_patient_is_asked_for_in_a_body_and_the_question_is_logged(keeper, delivery, study):
    PatientIdentifier.objects.create(
        patient=study.person, issuer=PERSONAL_NUMBER_OID, value="191212121212", is_national=True
    )
    assert ids(keeper.post(f"{PATH}/search", patient_number="19121212-1212")) == [delivery.pk]
    assert ids(keeper.post(f"{PATH}/search", patient_number="19121212-1212", state=["dead"])) == []
    assert ids(keeper.post(f"{PATH}/search", patient_number="nobody")) == []
    asked = AuditEvent.objects.filter(action="search", actor=keeper.user.username).order_by("pk")
    assert [event.patient_id for event in asked] == [study.person_id, study.person_id, None]
    assert keeper.get(PATH, patient_number="191212121212")[0] == 400


def test_those_of_another_department_are_unknown(stranger, delivery):
    assert ids(stranger.get(PATH)) == []
    for path in (f"{PATH}/{delivery.pk}", f"{PATH}/{delivery.pk}/attempts"):
        assert stranger.get(path) == stranger.get(path.replace(str(delivery.pk), "999999"))
        assert stranger.get(path)[0] == 404


def test_who_keeps_nothing_sees_nothing(hospital, delivery):
    doctor = Keeper(hospital, "read_studies", "push")
    assert doctor.get(PATH)[0] == doctor.get(f"{PATH}/{delivery.pk}")[0] == 403


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"state": "lost"}, "state: "),
        ({"destination": "x"}, "destination: "),
        ({"study": "' or 1"}, "study: "),
        ({"planned_before": "yesterday"}, "planned_before: "),
        ({"cursor": "0"}, "cursor: "),
        ({"limit": "501"}, "limit: "),
        ({"sort": "x"}, "unknown field 'sort'"),
        ({"study": ["1.2", "1.3"]}, "study is there 2 times"),
    ],
)
def test_a_question_that_cannot_be_read_is_refused(keeper, query, named):
    status, answer = keeper.get(PATH, **query)
    assert status == 400
    assert named in answer["error"]


def test_what_was_written_down_is_said_in_the_language_that_is_asked_for(keeper, delivery, archive):
    stored, said = "the connection broke: reset by peer", "förbindelsen bröts: reset by peer"
    Delivery.objects.update(reason=stored)
    Destination.objects.update(last_error=stored)
    Attempt.objects.create(delivery=delivery, started_at=timezone.now(), worker="w", error=stored)
    for language, words in (("en", stored), ("sv", said)):
        keeper.client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
        assert keeper.get(f"{PATH}/{delivery.pk}")[1]["receiver_says"] == words
        tries = keeper.get(f"{PATH}/{delivery.pk}/attempts")[1]["results"]
        assert [row["error"] for row in tries] == [words]
        assert keeper.get(f"destinations/{archive.pk}")[1]["last_error"] == words
