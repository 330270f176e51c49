"""What was asked back from whom, as lines of the journal: how a recall stands with all of its receivers.

A rebuilt database does not know what was delivered: without these lines nobody would be asked any more for what
must not be out there.
"""

from collections.abc import Iterator
from typing import Any

from registry.models import Change, Removal
from repository.journal.files import Entry
from repository.models import Recall, RecallReceipt

RECALL_KINDS = ("recall",)
TOLD = ("code_value", "code_meaning", "reason", "made_by")
REMOVAL_KEY = ("removed_by", "kind")
"""With the study and the moment what tells one removal from another."""


def describe_recall(change: Change, head: Entry) -> Iterator[Entry]:
    """Yield the line of a recall that was opened, or that a receiver has done something about; the last line counts."""
    rows = Recall.objects.select_related("removal", "study").filter(pk=change.detail["recall"])
    for recall in rows:
        receipts = recall.receipts.select_related("destination__department").order_by("pk")
        yield {
            "kind": change.kind,
            **head,
            "study": recall.study.study_instance_uid,
            "key": [recall.study.study_instance_uid, recall.made_at.isoformat(), recall.code_value],
            "told": {name: getattr(recall, name) for name in TOLD},
            "made_at": recall.made_at.isoformat(),
            "closed_at": recall.closed_at.isoformat() if recall.closed_at else None,
            "removal": _name_removal(recall.removal),
            "receipts": [_describe(receipt) for receipt in receipts],
        }


def _name_removal(removal: Removal | None) -> dict[str, Any] | None:
    if removal is None:
        return None
    named = {name: getattr(removal, name) for name in REMOVAL_KEY}
    return {**named, "removed_at": removal.removed_at.isoformat()}


def _describe(receipt: RecallReceipt) -> dict[str, Any]:
    destination = receipt.destination
    return {
        "department": destination.department.hsa_id,
        "destination": destination.name,
        "url": destination.url,
        "state": receipt.state,
        "sop_instance_uids": receipt.sop_instance_uids,
        "changed_at": receipt.changed_at.isoformat(),
        "changed_by": receipt.changed_by,
    }
