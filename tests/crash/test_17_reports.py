"""Workers killed between what an HL7 v2 system acknowledges and its record: versions in order, each once in effect."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.db.models import F

from registry.models import Destination, ReportReading, Study, Subscription
from repository.delivery.duties import plan_deliveries, sweep_leases
from repository.models import Attempt, Delivery
from tests.crash.workers import let_leases_run_out, start_worker, wait_for
from tests.repository.delivery.test_mllp import take_report, text_of
from tests.support.mllp_receiver import run_mllp_receiver
from tests.support.processes import RunningProcess, kill_group

pytestmark = pytest.mark.django_db(transaction=True)
STATES = ("preliminary", "final", "addendum", "corrected")


@contextmanager
def kill_before_it_records(worker: RunningProcess) -> Iterator[None]:
    """Hold the rows while the receiver answers: the worker has read its AA and cannot write it down."""
    try:
        with transaction.atomic():
            list(Delivery.objects.select_for_update())
            Delivery.objects.update(planned_at=F("planned_at"))  # the lock, on SQLite
            yield
            with pytest.raises(AssertionError, match="waited in vain"):
                wait_for(lambda: worker.popen.poll() is not None, "its end", patience_s=0.3)
            kill_group(worker)
    finally:
        connections["default"].close()


def test_killed_at_every_version_between_the_acknowledgment_and_its_record(
    region, make_quiet, tmp_path: Path
) -> None:
    with run_mllp_receiver() as his:
        Destination.objects.update(url=his.url)
        Subscription.objects.update(wants=["report"])
        study: Study = make_quiet()
        for minutes, status in enumerate(STATES):
            take_report(study, status, f"Text {status}", minutes)
        plan_deliveries()
        workers: list[RunningProcess] = []
        his.around = lambda _id, is_repeat: (
            nullcontext() if is_repeat else kill_before_it_records(workers[-1])
        )
        for number, _ in enumerate(STATES, 1):
            workers.append(start_worker(tmp_path, name=f"w{number}"))
            wait_for(lambda: workers[-1].popen.poll() is not None, "the worker's death")
            assert len(his.taken) == number, "a version went before the one before it was recorded"
            let_leases_run_out()
            assert sweep_leases() == 1
        workers.append(start_worker(tmp_path, name="last"))
        wait_for(lambda: not Delivery.objects.exclude(state="delivered").exists(), "the rest")
        kill_group(workers[-1])
    assert [text_of(message) for message in his.taken.values()] == [f"Text {status}" for status in STATES]
    ids = his.control_ids()
    assert ids[::2] == ids[1::2] == list(his.taken), "each came twice, and was known again"
    assert Attempt.objects.filter(error_class="lease_lost").count() == len(STATES)
    plan_deliveries()
    assert ReportReading.objects.count() == len(STATES)
