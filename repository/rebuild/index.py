"""The rows of a pack that was read again: registered, what is dead hidden, the study closed, in one transaction."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Any

from django.utils import timezone

from access.database import run_write
from access.models import Department
from access.rows import insert
from registry import changes
from registry.models import Instance, Removal, RemovedInstance, Study
from registry.rebuilt import close_rebuilt, is_unconfirmed, open_while_registering
from registry.received import ReceivedPack
from registry.recount import recount
from registry.register import register
from registry.removed import hide
from repository.models import Pack
from repository.rebuild.parse import ParsedPack
from repository.rebuild.verdicts import Verdicts

REMOVALS_AT_ONCE = 500


def index_pack(parsed: ParsedPack, verdicts: Verdicts) -> int:
    """Write the rows of a pack that has none; returns how many instances came back, hidden ones included."""
    received = parsed.received
    if received is None:
        raise ValueError(f"nothing of {parsed.key} can be used")
    department = Department.objects.select_related("unit").filter(hsa_id=parsed.department or "").first()
    return run_write(lambda: _index(parsed, received, department, verdicts))


def condemn_dead(keys: Iterable[str]) -> int:
    """Write the rows of packs that the journal condemns: a later sweep removes them; returns how many were new."""
    now = timezone.now()
    rows = [Pack(key=key, state=Pack.CONDEMNED, written_at=now, condemned_at=now) for key in sorted(keys)]

    def work() -> int:
        before = Pack.objects.count()
        Pack.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
        return Pack.objects.count() - before

    return run_write(work)


def hide_dead(verdicts: Verdicts) -> int:
    """Hide again what the journal says is removed and an older database still shows; returns how many."""
    uids = sorted({uid for uid, _ in verdicts.dead})
    hidden = 0
    for start in range(0, len(uids), REMOVALS_AT_ONCE):
        chunk = uids[start : start + REMOVALS_AT_ONCE]
        rows = Instance.objects.filter(sop_instance_uid__in=chunk)
        studies: list[int] = sorted(set(rows.values_list("series__study_id", flat=True)))
        hidden += sum(run_write(partial(_hide_in, pk, verdicts)) for pk in studies)
    return hidden


def _index(
    parsed: ParsedPack, received: ReceivedPack, department: Department | None, verdicts: Verdicts
) -> int:
    uid = received.study.study_instance_uid
    study = Study.objects.select_for_update().filter(study_instance_uid=uid).first()
    is_rebuilt = study is None or is_unconfirmed(study)
    if study is not None and is_rebuilt:
        open_while_registering(study)
    registration = register(received, department)
    state = Pack.LIVE if registration.stored_any else Pack.CONDEMNED
    _write_pack(parsed, uid, received.received_at, state)
    study = Study.objects.select_related("custodian__unit").filter(study_instance_uid=uid).first()
    if study is None:
        return 0
    count = Instance.objects.filter(segment__pack_key=parsed.key).count()
    _hide_in(study.pk, verdicts)
    if is_rebuilt:
        study.refresh_from_db()
        close_rebuilt(study)
    return count


def _write_pack(parsed: ParsedPack, study_instance_uid: str, received_at: datetime, state: str) -> None:
    now = timezone.now()
    row = Pack(
        key=parsed.key,
        state=state,
        size_bytes=parsed.size_bytes,
        study_instance_uid=study_instance_uid,
        written_at=received_at,
        condemned_at=None if state == Pack.LIVE else now,
        last_scrubbed_at=now,
    )
    if not insert(row, unless_known=True):
        raise RuntimeError(f"{parsed.key} got a row while it was being rebuilt: stop the server first")
    if state == Pack.CONDEMNED:
        changes.append("packs_condemned", study_instance_uid, {"keys": [parsed.key]})


def _hide_in(study_id: int, verdicts: Verdicts) -> int:
    """Hide what is dead of a study, each under its own removal; in a transaction."""
    study = Study.objects.select_for_update(of=("self",)).get(pk=study_id)
    rows = Instance.objects.filter(series__study=study).values_list("pk", "sop_instance_uid", "sha256")
    by_removal: dict[int, list[int]] = {}
    for pk, uid, sha256 in rows:
        number = verdicts.dead.get((uid, bytes(sha256).hex()))
        if number is not None:
            by_removal.setdefault(number, []).append(pk)
    for number, pks in sorted(by_removal.items()):
        removal = _removal_of(study, verdicts.removals[number])
        for start in range(0, len(pks), REMOVALS_AT_ONCE):
            hide(removal, Instance.objects.filter(pk__in=pks[start : start + REMOVALS_AT_ONCE]))
        removal.instances = RemovedInstance.objects.filter(removal=removal).count()
        removal.save(update_fields=["instances"])
    if by_removal:
        recount(study)
    return sum(len(pks) for pks in by_removal.values())


def _removal_of(study: Study, told: dict[str, Any]) -> Removal:
    columns: dict[str, Any] = {name: value for name, value in told.items() if name != "id"}
    for name in ("removed_at", "recoverable_until"):
        columns[name] = datetime.fromisoformat(columns[name])
    key = {name: columns.pop(name) for name in ("removed_at", "removed_by", "kind")}
    removal, _ = Removal.objects.get_or_create(
        study=study, **key, defaults={"person": study.person, "instances": 0, **columns}
    )
    return removal
