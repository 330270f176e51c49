"""What the monitoring reads of deliveries."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from access.authentication import issue_token
from access.models import ApiClient
from registry.models import Destination
from repository.models import Attempt, Delivery, Recall
from tests.registry.factories import make_department, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def destination() -> Destination:
    department = make_department()
    return Destination.objects.create(
        department=department, name="Karin's PACS", url="http://127.0.0.1:9/studies"
    )


def make_delivery(destination: Destination, state: str, minutes: int, generation: int) -> Delivery:
    now = timezone.now()
    planned_at = now - timedelta(minutes=minutes)
    return Delivery.objects.create(
        study=make_study(destination.department),
        destination=destination,
        generation=generation,
        state=state,
        planned_at=planned_at,
        not_before=planned_at,
        deadline_at=now + timedelta(hours=1),
    )


def read_metrics() -> dict[str, int]:
    token = issue_token(
        ApiClient.objects.create(name="monitor", department=make_department()), ("read",)
    ).text
    answer = Client().get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    lines = answer.content.decode().splitlines()
    return {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines}


def test_depth_age_attempts_and_breaker_of_each_destination(destination):
    key = f'destination="{destination.pk}"'
    ready = make_delivery(destination, "ready", 10, 1)
    make_delivery(destination, "held", 5, 2)
    make_delivery(destination, "dead", 500, 3)
    now = timezone.now()
    for error_class, ended_at in (("", now), ("retry", now), ("retry", now - timedelta(hours=2))):
        Attempt.objects.create(
            delivery=ready, started_at=ended_at, ended_at=ended_at, error_class=error_class, bytes_sent=500
        )
    Destination.objects.update(breaker="open", held_reason="moving house")
    Recall.objects.create(
        study=ready.study, code_value="113001", made_by="x", made_at=now - timedelta(hours=3)
    )
    found = read_metrics()
    assert found[f'samsyn_deliveries_waiting{{{key},state="ready"}}'] == 1
    assert found[f'samsyn_deliveries_waiting{{{key},state="held"}}'] == 1
    assert found[f'samsyn_deliveries_waiting{{{key},state="dead"}}'] == 1
    assert found[f'samsyn_deliveries_waiting{{{key},state="sending"}}'] == 0
    assert 600 <= found[f"samsyn_delivery_oldest_seconds{{{key}}}"] < 660
    assert found[f'samsyn_delivery_attempts_last_hour{{{key},state="ended"}}'] == 2
    assert found[f'samsyn_delivery_attempts_last_hour{{{key},state="failed"}}'] == 1
    assert found[f"samsyn_delivery_bytes_last_hour{{{key}}}"] == 1000
    assert found[f"samsyn_destination_breaker_open{{{key}}}"] == 1
    assert found[f"samsyn_destination_stopped{{{key}}}"] == 1
    assert found["samsyn_recalls_open"] == 1
    assert 10_800 <= found["samsyn_recall_oldest_seconds"] < 10_860


def test_an_idle_destination_has_zeros(destination):
    found = read_metrics()
    own = {name: value for name, value in found.items() if f'destination="{destination.pk}"' in name}
    assert len(own) == 14
    assert set(own.values()) == {0}


def test_no_name_is_told(destination):
    assert "Karin" not in "".join(read_metrics())
