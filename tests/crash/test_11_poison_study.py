"""Case 11: a study that ends its worker every time is given up; the others flow."""

from pathlib import Path

import pytest

from registry.models import Destination
from repository.delivery.duties import plan_deliveries, sweep_leases
from repository.delivery.queue.schedule import MAX_LOST_LEASES
from repository.models import Attempt, Delivery
from tests.crash.oracles import assert_exactly, uids_of
from tests.crash.workers import hurry, let_leases_run_out, send_all, start_worker, wait_for
from tests.support.sink import Ward

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_poisoned_study_is_given_up_and_the_others_flow(
    region, make_quiet, system: Ward, tmp_path: Path
) -> None:
    poisoned = make_quiet(instances=2)
    healthy = [make_quiet(instances=1) for _ in range(6)]
    plan_deliveries()
    Destination.objects.update(max_parallel=4)
    poison = max(uids_of(poisoned))
    deaths = 0
    while Delivery.objects.filter(state__in=("ready", "leased", "sending")).exists():
        worker = start_worker(tmp_path, "--poison", poison, "--idle", "0.5")
        wait_for(lambda: worker.popen.poll() is not None, "the worker's end")  # noqa: B023 (at once)
        deaths += worker.popen.returncode != 0
        assert deaths <= MAX_LOST_LEASES, "it kills its worker for ever"
        let_leases_run_out()
        sweep_leases()
        hurry()
    assert deaths == MAX_LOST_LEASES
    given_up = Delivery.objects.get(study=poisoned)
    assert (given_up.state, given_up.reason_code) == ("dead", "worker_died")
    assert Attempt.objects.filter(delivery=given_up, error_class="lease_lost").count() == MAX_LOST_LEASES
    assert_exactly(system, uids_of(*healthy))
    assert set(Delivery.objects.exclude(pk=given_up.pk).values_list("state", flat=True)) == {"delivered"}


def test_a_poisoned_study_that_was_mended_goes_again(
    region, make_quiet, system: Ward, tmp_path: Path
) -> None:
    study = make_quiet(instances=2)
    plan_deliveries()
    Delivery.objects.update(state="dead", reason_code="worker_died")
    make_quiet(study)
    send_all()
    assert_exactly(system, uids_of(study))
