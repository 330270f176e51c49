"""Case 14: a subscription is edited while its studies are planned: every delivery is by one version or the other."""

import threading

import pytest
from django.db import connection

from registry.models import Destination, Subscription
from repository.delivery.duties import plan_deliveries, send_ready
from repository.models import Delivery
from tests.crash.oracles import assert_exactly, assert_no_delivery_lost, uids_of
from tests.crash.workers import hurry, padded_source, send_all
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)

STUDIES = 40


def test_edits_in_the_middle_of_planning(region, make_quiet, system: Ward) -> None:
    ct = [make_quiet() for _ in range(STUDIES)]
    mr = [make_quiet(modalities=("MR",)) for _ in range(STUDIES)]
    planned = threading.Event()

    def edit() -> None:
        try:
            for number in range(200):
                modalities = ["CT"] if number % 2 else ["MR"]
                Subscription.objects.update(filter={"modality": modalities})
                if planned.is_set():
                    break
        finally:
            connection.close()

    thread = threading.Thread(target=edit)
    thread.start()
    plan_deliveries()
    planned.set()
    thread.join()
    wanted = set(Delivery.objects.values_list("study_id", flat=True))
    assert wanted <= {study.pk for study in (*ct, *mr)}
    send_all()
    there = [study for study in (*ct, *mr) if study.pk in wanted]
    assert_exactly(system, uids_of(*there) if there else [])
    assert_no_delivery_lost(system)


def test_an_ended_subscription_withdraws_and_a_new_one_takes_its_place(
    region, make_quiet, system: Ward
) -> None:
    first, second = make_quiet(), make_quiet()
    plan_deliveries()
    Subscription.objects.update(active=False)
    hurry()
    while send_ready("w", padded_source()):
        pass
    assert set(Delivery.objects.values_list("state", "reason_code")) == {("withdrawn", "subscription_ended")}
    assert system.files == {}
    Subscription.objects.create(department=region.ward, destination=region.destination)
    make_quiet(second)
    send_all()
    assert_exactly(system, uids_of(second))
    assert first.pk not in Delivery.objects.filter(state="delivered").values_list("study_id", flat=True)


def test_a_deactivated_destination_keeps_what_waits(region, make_quiet, system: Ward) -> None:
    study = make_quiet()
    plan_deliveries()
    Destination.objects.update(active=False)
    hurry()
    assert not send_ready("w", padded_source())
    Destination.objects.update(active=True)
    send_all()
    assert_exactly(system, uids_of(study))
