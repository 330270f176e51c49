"""A recall for the demo to show: a study that has arrived at its receivers is rejected by the hospital that made it.

One receiver acts on the rejection note, our own lists are put right, and at one a person is asked. The study is
delivered at once and really, to the demo's archive; what its rejection brings about, the duties do when they run.
"""

from dataclasses import replace
from datetime import timedelta

from access.database import database_now, run_write
from deploy.demo.archive import bind_demo_archive
from deploy.demo.distribution import TASK
from deploy.distribution import make_operator
from deploy.duties import packs_source
from registry.harmonise.duty import harmonise_studies
from registry.models import Removal, Study
from registry.remove import Target, reject
from registry.removed import REJECTIONS
from repository.delivery.duties import note_quiet_study, plan_deliveries, send_ready
from repository.models import Delivery

MODALITY = "MR"
MOST_SENT = 50
LATER = timedelta(days=1)
REASON = "Sidan är fel märkt"


def stage_recall() -> Study | None:
    """Deliver a study and reject it; returns it, None where the demo has none or something was removed before.

    Nobody else may send meanwhile: it is done before the duties run for the first time.
    """
    if Removal.objects.exists():
        return None
    archive = bind_demo_archive()
    if archive is None:
        return None
    archive.server.daemon_threads = False  # its threads end with it: processes are started after this
    archive.serve()
    try:
        study = _deliver_one()
    finally:
        archive.close()
    if study is not None:
        actor = replace(make_operator("demo"), permissions=frozenset({"delete"}))
        reject(actor, Target(study.study_instance_uid), REJECTIONS[0], door="command", reason=REASON)
    return study


def _deliver_one() -> Study | None:
    """Send the oldest study of the modality to all who want it, and nothing else; None where it does not arrive."""
    rows = Study.objects.filter(series__modality=MODALITY).exclude(quiet_due_at=None)
    study = rows.order_by("study_date", "pk").first()
    if study is None or study.quiet_due_at is None:
        return None
    note_quiet_study(study.pk, study.quiet_due_at)
    harmonise_studies()
    plan_deliveries()
    others = Delivery.objects.filter(state=Delivery.READY).exclude(study=study)
    now = database_now()
    run_write(lambda: others.update(not_before=now + LATER))
    for _turn in range(MOST_SENT):
        if not send_ready("demo", packs_source()):
            break
    run_write(lambda: others.filter(not_before=now + LATER).update(not_before=now))
    arrived = study.deliveries.filter(destination__name=TASK, state=Delivery.DELIVERED)
    return study if arrived.exists() else None
