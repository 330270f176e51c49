"""Which changes become lines of the journal, and what the lines say.

A line holds everything that a rebuild needs: no key of the database that is going to be lost.
"""

from collections.abc import Iterable, Iterator

from access.models import CareProvider, CareUnit, Department
from registry.models import Change, Instance, IssuerRule, Removal, RemovedInstance
from repository.journal.documents import DOCUMENT_KINDS, describe_documents
from repository.journal.files import Entry
from repository.journal.identity import IDENTITY_KINDS, describe_identity
from repository.journal.recalls import RECALL_KINDS, describe_recall
from repository.journal.rows import ROW_KINDS, describe_row
from repository.journal.workflow import WORKFLOW_KINDS, describe_workflow

REMOVAL_COLUMNS = (
    "kind",
    "series_instance_uid",
    "sop_instance_uid",
    "code_value",
    "coding_scheme_designator",
    "code_meaning",
    "reason",
    "note_sop_instance_uid",
    "removed_by",
    "removed_at",
    "recoverable_until",
)


def describe_change(change: Change) -> Iterator[Entry]:
    """Yield the lines that a change of the feed becomes: none for most."""
    head: Entry = {
        "position": change.position,
        "at": change.appended_at.isoformat(),
        "study": change.study_instance_uid,
    }
    detail = change.detail
    if change.kind == "instances_removed":
        yield {"kind": "removed", **head, **_describe_removal(detail["removal"])}
    elif change.kind == "instances_restored":
        yield {
            "kind": "restored",
            **head,
            **_describe_removal(detail["removal"], state=RemovedInstance.RESTORED),
        }
    elif change.kind == "instances_replaced":
        rows = Instance.objects.filter(sop_instance_uid__in=detail["instances"])
        yield {
            "kind": "replaced",
            **head,
            "instances": _pairs(rows.values_list("sop_instance_uid", "sha256")),
        }
    elif change.kind == "packs_condemned":
        yield {"kind": "condemned", **head, "keys": detail["keys"]}
    elif change.kind == "packs_revived":
        yield {"kind": "revived", **head, "keys": detail["keys"]}
    elif change.kind == "store" and detail.get("left_out"):
        yield {"kind": "left_out", **head, "pack": detail["pack"], "instances": detail["left_out"]}
    elif change.kind in ROW_KINDS:
        yield from describe_row(change, head)
    elif change.kind in IDENTITY_KINDS:
        yield from describe_identity(change, head)
    elif change.kind in DOCUMENT_KINDS:
        yield from describe_documents(change, head)
    elif change.kind in WORKFLOW_KINDS:
        yield from describe_workflow(change, head)
    elif change.kind in RECALL_KINDS:
        yield from describe_recall(change, head)


def describe_organisation() -> Entry:
    """Return the line that holds providers, units, departments and their issuer rules."""
    return {
        "kind": "organisation",
        "providers": [
            list(row) for row in CareProvider.objects.order_by("hsa_id").values_list("hsa_id", "name")
        ],
        "units": [
            list(row)
            for row in CareUnit.objects.order_by("hsa_id").values_list("hsa_id", "name", "provider__hsa_id")
        ],
        "departments": [
            list(row)
            for row in Department.objects.order_by("hsa_id").values_list("hsa_id", "name", "unit__hsa_id")
        ],
        "issuer_rules": [
            list(row)
            for row in IssuerRule.objects.order_by("department__hsa_id", "position").values_list(
                "department__hsa_id", "position", "kind", "pattern", "issuer"
            )
        ],
    }


def _describe_removal(removal_id: int, state: str | None = None) -> Entry:
    removal = Removal.objects.get(pk=removal_id)
    items = removal.items.all() if state is None else removal.items.filter(state=state)
    columns = {name: getattr(removal, name) for name in REMOVAL_COLUMNS}
    columns |= {name: columns[name].isoformat() for name in ("removed_at", "recoverable_until")}
    return {
        "removal": {"id": removal.pk, **columns},
        "instances": _pairs(items.values_list("sop_instance_uid", "sha256")),
    }


def _pairs(rows: Iterable[tuple[str, bytes | memoryview]]) -> list[list[str]]:
    return sorted([uid, bytes(sha256).hex()] for uid, sha256 in rows)
