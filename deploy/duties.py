"""Which duty runs when: the one list for the embedded duties process and for Celery's beat."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection

from access import audit_spool
from access.audit import flush_counts
from access.audit_export.ship import ship
from access.database import release
from access.duties import seal_log
from access.expiry import remove_expired
from registry.fhir.subscriptions.notify import notify_subscribers
from registry.harmonise.duty import harmonise_studies
from registry.linking import link_changes
from registry.notices import mail_notices
from registry.patient_labels import find_patient_labels
from registry.review.samples import draw_due_reviews
from registry.shares import forget_expired_homes
from registry.wishes.priorities import PRIORITIES
from repository.coded_regions import fill_regions
from repository.commitment import forget_commitments, settle_commitments
from repository.compaction.duty import compact_quiet
from repository.delivery import duties as delivery
from repository.delivery.planning.recall_receipts import settle_recalls
from repository.delivery.queue.schedule import return_leases_of
from repository.delivery.send import Source
from repository.journal.duty import write_journal
from repository.retrieve import StoredInstance, instances_to_send, stream_file
from repository.scrub import RUN_EVERY, scrub
from repository.sweep import sweep
from repository.xds.publish import publish_due

log = logging.getLogger(__name__)

EMBEDDED = "embedded"
TICK_S = 0.25
IDLE_S = 0.5
SENDERS = (PRIORITIES, PRIORITIES, ("urgent",))
"""The sending threads of the embedded process: one is kept free for what is urgent."""


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing to do every so often; it may run twice, also at the same time."""

    name: str
    every_s: float
    run: Callable[[], object]


DUTIES = (
    Duty("note_quiet_studies", 1, delivery.note_quiet_studies),
    Duty("plan_deliveries", 1, delivery.plan_deliveries),
    Duty("sweep_leases", 10, delivery.sweep_leases),
    Duty("expire_overdue", 30, delivery.expire_overdue),
    Duty("note_late_urgent", 30, delivery.note_late_urgent),
    Duty("follow_decisions", 1, delivery.follow_decisions),
    Duty("open_windows", 1, delivery.open_windows),
    Duty("age_deliveries", 60, delivery.age_deliveries),
    Duty("heal_after_jump", 10, delivery.heal_after_jump),
    Duty("flush_counts", 15, flush_counts),
    Duty("write_journal", 20, write_journal),
)
SLOW_DUTIES = (
    Duty("harmonise_studies", 1, harmonise_studies),
    Duty("fill_regions", 10, fill_regions),
    Duty("link_studies", 1, link_changes),
    Duty("review_windows", 60, delivery.review_windows),
    Duty("release_awaiting", 300, delivery.release_awaiting),
    Duty("probe_destinations", 5, delivery.probe_destinations),
    Duty("settle_commitments", 2, settle_commitments),
    Duty("settle_recalls", 10, settle_recalls),
    Duty("forget_commitments", 3600, forget_commitments),
    Duty("remove_expired", 3600, remove_expired),
    Duty("compact_quiet", 60, compact_quiet),
    Duty("sweep_packs", 3600, sweep),
    Duty("mail_notices", 10, mail_notices),
    Duty("draw_due_reviews", 3600, draw_due_reviews),
    Duty("forget_expired_homes", 3600, forget_expired_homes),
    Duty("scrub_packs", RUN_EVERY.total_seconds(), scrub),
)
"""What may take minutes (silent receivers, millions of packs) has a thread of its own."""
AUDIT_DUTIES = (
    Duty("replay_audit_spool", 5, audit_spool.replay),
    Duty("seal_audit", 5, seal_log),
    Duty("ship_audit", 5, lambda: ship(find_patient_labels)),
)
"""The access log waits for nobody else, and nobody for the repository it is sent to."""
NOTIFY_DUTIES = (Duty("notify_subscribers", 1, notify_subscribers),)
"""Receivers of notifications may be silent for seconds: nothing else waits for them."""
PUBLISH_DUTIES = (Duty("publish_studies", 1, publish_due),)
"""Manifests are there within seconds, and a large study's may take some: neither waits for the other."""
DUTY_THREADS = (
    ("duties", DUTIES),
    ("slow-duties", SLOW_DUTIES),
    ("audit-duties", AUDIT_DUTIES),
    ("publish-duties", PUBLISH_DUTIES),
    ("notify-duties", NOTIFY_DUTIES),
)
"""The threads of the embedded process, and all the duties that there are: what is not here does not run."""
ALL_DUTIES = tuple(duty for _, duties in DUTY_THREADS for duty in duties)


def packs_source() -> Source[StoredInstance]:
    """Return where deliveries take their bytes from: the packs."""
    return Source(instances_to_send, stream_file)


def run_duty(name: str) -> object:
    """Run one duty by name and return what it returns.

    Raises
    ------
    KeyError
        There is no such duty.
    """
    return {duty.name: duty for duty in ALL_DUTIES}[name].run()


def run_forever(stop: threading.Event) -> None:
    """Run every duty and send deliveries until `stop` is set: the duties process of the embedded profile.

    Only one such process may run on a database (`deploy.management.commands.run_duties` sees to it):
    what an earlier one held when it died is given back at once.
    """
    run_safely("return_leases", lambda: return_leases_of(f"{EMBEDDED}-"))
    threads = [
        threading.Thread(target=_send_until, args=(stop, number, priorities), name=f"sender-{number}")
        for number, priorities in enumerate(SENDERS, 1)
    ]
    threads += [
        threading.Thread(target=_run_duties_until, args=(stop, duties), name=name)
        for name, duties in DUTY_THREADS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _run_duties_until(stop: threading.Event, duties: tuple[Duty, ...]) -> None:
    waits = {duty.name: 0.0 for duty in duties}
    while not stop.is_set():
        for duty in duties:
            waits[duty.name] -= TICK_S
            if waits[duty.name] <= 0:
                waits[duty.name] = duty.every_s
                run_safely(duty.name, duty.run)
        stop.wait(TICK_S)
    connection.close()


def _send_until(stop: threading.Event, number: int, priorities: tuple[str, ...]) -> None:
    worker = f"{EMBEDDED}-{os.getpid()}-{number}"
    source = packs_source()

    def send_all() -> None:
        while not stop.is_set() and delivery.send_ready(worker, source, priorities, stop.is_set):
            pass

    while not stop.is_set():
        run_safely("send_ready", send_all)
        stop.wait(IDLE_S)
    connection.close()


def run_safely(name: str, run: Callable[[], object]) -> None:
    """Run something that is tried again soon: a database that is away must not end the process."""
    try:
        run()
    except Exception:
        log.exception("duty %s failed; it is tried again", name)
        connection.close()
    finally:
        release()
