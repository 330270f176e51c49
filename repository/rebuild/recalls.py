"""Recalls out of the journal: what is open stays open, receiver by receiver."""

from datetime import datetime
from typing import Any

from access.models import Department
from registry.models import Destination, Removal, Study
from repository.journal.files import Entry
from repository.journal.recalls import REMOVAL_KEY
from repository.models import Recall, RecallReceipt
from repository.rebuild.rows import UnknownName


def restore_recall(entry: Entry) -> bool:
    """Write a recall as a line says, and what each receiver has done; False if it stands so already.

    A note that was on its way has no delivery here any more, so that the duty asks a person. Receivers that are not
    there come back as destinations that are switched off: nothing is sent to them, and it is known who was asked.

    Raises
    ------
    UnknownName
        Its study or a receiver's department did not come back.
    """
    study = Study.objects.filter(study_instance_uid=entry["study"]).first()
    if study is None:
        raise UnknownName(f"there is no study {entry['study']}")
    destinations = [_find_destination(told) for told in entry["receipts"]]
    recall, is_new = Recall.objects.get_or_create(
        study=study,
        made_at=datetime.fromisoformat(entry["made_at"]),
        code_value=entry["told"]["code_value"],
        defaults={**entry["told"], "removal": _find_removal(study, entry["removal"])},
    )
    has_changed = is_new
    for destination, told in zip(destinations, entry["receipts"], strict=True):
        has_changed |= _restore_receipt(recall, destination, told)
    if has_changed:
        closed_at = entry["closed_at"]
        recall.closed_at = datetime.fromisoformat(closed_at) if closed_at else None
        recall.save(update_fields=["closed_at"])
    return has_changed


def _restore_receipt(recall: Recall, destination: Destination, told: dict[str, Any]) -> bool:
    values = {name: told[name] for name in ("state", "sop_instance_uids", "changed_by")}
    values["changed_at"] = datetime.fromisoformat(told["changed_at"])
    receipt, is_new = RecallReceipt.objects.get_or_create(
        recall=recall, destination=destination, defaults=values
    )
    if is_new or receipt.changed_at >= values["changed_at"]:
        return is_new
    RecallReceipt.objects.filter(pk=receipt.pk).update(**values)
    return True


def _find_removal(study: Study, told: dict[str, Any] | None) -> Removal | None:
    """Return the removal that is recalled; None if nothing of it is hidden any more, or its bytes are gone for good."""
    if told is None:
        return None
    named = {name: told[name] for name in REMOVAL_KEY}
    moment = datetime.fromisoformat(told["removed_at"])
    return Removal.objects.filter(study=study, removed_at=moment, recall=None, **named).first()


def _find_destination(told: dict[str, Any]) -> Destination:
    department = Department.objects.filter(hsa_id=told["department"]).first()
    if department is None:
        raise UnknownName(f"there is no Department {told['department']}")
    destination, _ = Destination.objects.get_or_create(
        department=department, name=told["destination"], defaults={"url": told["url"], "active": False}
    )
    return destination
