"""Distribution of the demo that shows more than success: worklists, a system that is switched off, one that refuses.

Everything is written by the functions that people and systems use; what becomes of it is what really happens.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any

from access.models import Department
from deploy.demo.archive import REFUSES, make_archive_url
from deploy.distribution import make_operator
from deploy.region.facts import Region
from registry.models import Destination
from registry.subscribing import SubscriptionDraft, subscribe
from repository.delivery.operating.keeping import DestinationDraft, create_destination

NOBODY_LISTENS = "dicom://127.0.0.1:9"
"""The port of the discard service, which no machine runs any more: a connection is refused."""


@dataclass(frozen=True, slots=True)
class DemoReceiver:
    """A system that receives for a department of the demo, and what it asks for."""

    hospital: str
    department: str
    name: str
    url: str
    filter: dict[str, Any]
    priority: str = "normal"
    called_ae_title: str = ""
    wants: list[str] = field(default_factory=list)


RECEIVERS = (
    DemoReceiver(
        "ASU", "Röntgenavdelningen", "Arbetslistan", "worklist:", {"modality_family": ["MR"]}, "urgent"
    ),
    DemoReceiver("ASU", "Ortopedkliniken", "Arbetslistan", "worklist:", {"modality_family": ["XR"]}),
    DemoReceiver(
        "ASU",
        "Ortopedkliniken",
        "Gamla arkivet",
        NOBODY_LISTENS,
        {"modality_family": ["CT"]},
        "bulk",
        called_ae_title="ARKIV",
    ),
    DemoReceiver("SDS", "Neurologkliniken", "Strokeregistret", REFUSES, {"modality_family": ["MR"]}),
)


def create_receivers(region: Region) -> None:
    """Create the receivers that are missing, each with its subscription."""
    hospitals = {hospital.code: hospital for hospital in region.hospitals}
    for receiver in RECEIVERS:
        if receiver.hospital in hospitals:
            hsa_id = hospitals[receiver.hospital].get_department(receiver.department).hsa_id
            _create(Department.objects.select_related("unit").get(hsa_id=hsa_id), receiver)


def _create(department: Department, receiver: DemoReceiver) -> None:
    if Destination.objects.filter(department=department, name=receiver.name).exists():
        return
    is_archive = receiver.url == REFUSES
    operator = make_operator("demo")
    draft = DestinationDraft(
        name=receiver.name,
        url=make_archive_url(f"{REFUSES}{department.hsa_id}") if is_archive else receiver.url,
        called_ae_title=receiver.called_ae_title,
        token=secrets.token_urlsafe() if is_archive else None,
        active=not is_archive,  # `up` points it at the demo's archive and switches it on
    )
    destination = create_destination(operator, department, draft, door="command")
    wish = SubscriptionDraft(
        destination, filter=receiver.filter, priority=receiver.priority, wants=receiver.wants
    )
    subscribe(operator, department, wish, door="command")
