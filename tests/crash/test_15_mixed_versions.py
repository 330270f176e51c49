"""Case 15: workers of two versions at once: what one does not know it leaves alone, and it lives on."""

import pytest
from django.db import connection

from repository.delivery.duties import plan_deliveries, send_ready
from repository.models import Delivery
from tests.crash.oracles import assert_exactly, uids_of
from tests.crash.workers import hurry, padded_source, send_all
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)

ADDED = "ALTER TABLE repository_delivery ADD COLUMN of_tomorrow varchar(10) DEFAULT 'x' NOT NULL"
DROPPED = "ALTER TABLE repository_delivery DROP COLUMN of_tomorrow"


def test_a_column_of_the_next_version_disturbs_nobody(region, make_quiet, system: Ward) -> None:
    """Migrations add, with a default in the database: the version before goes on beside them."""
    study = make_quiet(instances=2)
    with connection.cursor() as cursor:
        cursor.execute(ADDED)
    try:
        send_all()
        assert_exactly(system, uids_of(study))
    finally:
        with connection.cursor() as cursor:
            cursor.execute(DROPPED)


def test_a_state_of_the_next_version_is_left_alone(region, make_quiet, system: Ward) -> None:
    tomorrow, today = make_quiet(), make_quiet()
    plan_deliveries()
    Delivery.objects.filter(study=tomorrow).update(state="tomorrow's")
    hurry()
    while send_ready("w", padded_source()):
        pass
    assert_exactly(system, uids_of(today))
    assert Delivery.objects.get(study=tomorrow).state == "tomorrow's"
    Delivery.objects.filter(study=tomorrow).update(state="ready")
    send_all()
    assert_exactly(system, uids_of(tomorrow, today))


def test_a_priority_of_the_next_version_is_left_to_its_workers(region, make_quiet, system: Ward) -> None:
    tomorrow, today = make_quiet(), make_quiet()
    plan_deliveries()
    Delivery.objects.filter(study=tomorrow).update(priority="later", priority_rank=9)
    hurry()
    while send_ready("w", padded_source()):
        pass
    assert_exactly(system, uids_of(today))
    assert Delivery.objects.get(study=tomorrow).state == "ready"
