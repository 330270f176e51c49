"""Case 8: an instance arrives while its study is sent, and another with a known UID and other bytes."""

from pathlib import Path

import pytest
from django.db import connection

from registry.models import Instance, Study
from repository.delivery.duties import send_ready
from repository.models import Delivery
from tests.crash.oracles import assert_exactly, assert_no_delivery_lost
from tests.crash.packs import PACKS, fall_quiet, store_files
from tests.crash.workers import send_all
from tests.support.dicom import StudyFacts, make_ct, make_series, make_uid
from tests.support.http import read_sop_instance_uid
from tests.support.receiver import Handler, Request, store_all
from tests.support.sink import Ward, read_uid

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_late_instance_goes_in_a_delivery_of_its_own(region, folder: Path, system: Ward) -> None:
    facts = StudyFacts()
    first = make_series(facts, 3)
    late = make_ct(facts, series_number=2)

    def store_late(handler: Handler, request: Request) -> None:
        try:
            store_files(region.hospital, late)
            fall_quiet()
        finally:
            connection.close()
        store_all(handler, request)

    system.script = [store_late]
    store_files(region.hospital, *first)
    fall_quiet()
    assert send_ready("w", PACKS)
    send_all(PACKS)
    assert_exactly(system, map(read_uid, (*first, late)))
    assert len(system.stored) == 4, "what was on its way is not sent again"
    assert [len(request.parts) for request in system.requests] == [3, 1]
    assert list(Delivery.objects.order_by("pk").values_list("generation", "state")) == [
        (1, "delivered"),
        (2, "delivered"),
    ]


def test_a_late_instance_before_the_first_was_begun_goes_with_it(region, folder: Path, system: Ward) -> None:
    facts = StudyFacts()
    files = [make_ct(facts, series_number=number) for number in (1, 2)]
    for file in files:
        store_files(region.hospital, file)
        fall_quiet()
    send_all(PACKS)
    assert_exactly(system, map(read_uid, files))
    assert [len(request.parts) for request in system.requests] == [2]
    assert_no_delivery_lost(system)
    assert Delivery.objects.filter(state="superseded").count() == 1


def test_other_bytes_under_a_known_uid_are_not_sent(region, folder: Path, system: Ward) -> None:
    facts, uid, series = StudyFacts(), make_uid(), make_uid()
    first, other = (
        make_ct(facts, sop_instance_uid=uid, series_instance_uid=series, seed=seed) for seed in (1, 2)
    )

    def store_other(handler: Handler, request: Request) -> None:
        try:
            assert store_files(region.hospital, other) != [], "the second is refused"
            fall_quiet()
        finally:
            connection.close()
        store_all(handler, request)

    system.script = [store_other]
    store_files(region.hospital, first)
    fall_quiet()
    assert send_ready("w", PACKS)
    send_all(PACKS)
    assert_exactly(system, [uid])
    assert system.changed == []
    assert Instance.objects.count() == Study.objects.count() == 1
    assert read_sop_instance_uid(first) == uid
