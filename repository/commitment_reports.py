"""What systems that speak DIMSE report of the instances that we asked them to commit to.

Standard: PS3.4 J.3.3
"""

from django.utils import timezone
from pydicom.dataset import Dataset
from pynetdicom import evt

from access.database import release, run_write
from repository.models import AskedCommitment


def take_report(event: evt.Event) -> tuple[int, Dataset | None]:
    """Keep the report of a receiver that was asked; anybody else's is refused as a transaction that nobody knows."""
    report = event.event_information
    transaction = str(report.get("TransactionUID", ""))
    peer = event.assoc.acceptor if event.assoc.is_requestor else event.assoc.requestor
    failed = {
        str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason", 0x0110))
        for item in report.get("FailedSOPSequence", [])
    }
    committed = [str(item.ReferencedSOPInstanceUID) for item in report.get("ReferencedSOPSequence", [])]
    rows = AskedCommitment.objects.filter(
        transaction_uid=transaction, ae_title=str(peer.ae_title).strip(), answered_at=None
    )
    values = {"answered_at": timezone.now(), "committed": committed, "failed": failed}
    try:
        taken = run_write(lambda: rows.update(**values))
    finally:
        release()
    return (0x0000 if taken else 0x0110), None
