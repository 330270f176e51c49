"""Distribution of the demo that shows more than success, and every kind of receiver.

Worklists, a folder, a system that is switched off, one that refuses, one that does not act on rejection notes, and two
that are held until they are taken into use, because there is no such system here. Everything is written by the
functions that people and systems use; what becomes of it is what really happens.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from access.models import Department
from deploy.demo.archive import REFUSES, make_archive_url
from deploy.distribution import make_operator
from deploy.region.facts import Region
from registry.models import Destination
from registry.subscribing import SubscriptionDraft, subscribe
from repository.delivery.operating.keeping import DestinationDraft, create_destination
from repository.delivery.operating.operate import hold_destination

NOBODY_LISTENS = "127.0.0.1:9"
"""The port of the discard service, which no machine runs any more: a connection is refused."""
ARCHIVE = "demo archive"
"""Stands for the address of the archive that `up` runs; so does `REFUSES`, of one that takes nothing."""
FOLDER = "folder"
"""Stands for a folder below the first that the installation allows; where it allows none, there is no such receiver."""
HELD = "Tas i drift när systemet är anslutet"
TASK = "Forskningsarkivet"
"""The receiver that does not act on rejection notes: a person there is asked."""


@dataclass(frozen=True, slots=True)
class DemoReceiver:
    """A system that receives for a department of the demo, and what it asks for; held where a reason is given."""

    hospital: str
    department: str
    name: str
    url: str
    filter: dict[str, Any]
    priority: str = "normal"
    called_ae_title: str = ""
    wants: list[str] = field(default_factory=list)
    processes_rejection: bool = True
    held: str = ""


RECEIVERS = (
    DemoReceiver(
        "ASU", "Röntgenavdelningen", "Arbetslistan", "worklist:", {"modality_family": ["MR"]}, "urgent"
    ),
    DemoReceiver("ASU", "Ortopedkliniken", "Arbetslistan", "worklist:", {"modality_family": ["XR"]}),
    DemoReceiver(
        "ASU",
        "Ortopedkliniken",
        "Gamla arkivet",
        f"dicom://{NOBODY_LISTENS}",
        {"modality_family": ["CT"]},
        "bulk",
        called_ae_title="ARKIV",
    ),
    DemoReceiver(
        "ASU",
        "Röntgenavdelningen",
        "Undervisningsmappen",
        FOLDER,
        {"all": [{"modality_family": ["XR"]}, {"body_region": ["53120007"]}]},
        "bulk",
    ),
    DemoReceiver("SDS", "Neurologkliniken", "Strokeregistret", REFUSES, {"modality_family": ["MR"]}),
    DemoReceiver(
        "SDS",
        "Neurologkliniken",
        TASK,
        ARCHIVE,
        {"modality_family": ["MR"]},
        processes_rejection=False,
    ),
    DemoReceiver(
        "OML",
        "Medicinkliniken",
        "Journalsystemet",
        f"mllp://{NOBODY_LISTENS}",
        {"modality_family": ["XR"]},
        wants=["report"],
        held=HELD,
    ),
    DemoReceiver(
        "OML",
        "Hjärtkliniken",
        "Hjärtregistret",
        f"fhir+http://{NOBODY_LISTENS}/fhir",
        {"modality_family": ["US"]},
        wants=["request", "report"],
        held=HELD,
    ),
)


def create_receivers(region: Region) -> None:
    """Create the receivers that are missing, each with its subscription."""
    hospitals = {hospital.code: hospital for hospital in region.hospitals}
    for receiver in RECEIVERS:
        if receiver.hospital in hospitals and (receiver.url != FOLDER or settings.EXPORT_FOLDERS):
            hsa_id = hospitals[receiver.hospital].get_department(receiver.department).hsa_id
            _create(Department.objects.select_related("unit").get(hsa_id=hsa_id), receiver)


def _create(department: Department, receiver: DemoReceiver) -> None:
    if Destination.objects.filter(department=department, name=receiver.name).exists():
        return
    is_archive = receiver.url in (ARCHIVE, REFUSES)
    operator = make_operator("demo")
    draft = DestinationDraft(
        name=receiver.name,
        url=_make_url(department, receiver),
        called_ae_title=receiver.called_ae_title,
        token=secrets.token_urlsafe() if is_archive else None,
        processes_rejection=receiver.processes_rejection,
        active=not is_archive,  # `up` points it at the demo's archive and switches it on
    )
    destination = create_destination(operator, department, draft, door="command")
    if receiver.held:
        hold_destination(operator, destination, receiver.held, door="command")
    wish = SubscriptionDraft(
        destination, filter=receiver.filter, priority=receiver.priority, wants=receiver.wants
    )
    subscribe(operator, department, wish, door="command")


def _make_url(department: Department, receiver: DemoReceiver) -> str:
    if receiver.url == FOLDER:
        folder = Path(settings.EXPORT_FOLDERS[0]).resolve() / "undervisning"
        folder.mkdir(parents=True, exist_ok=True)
        return folder.as_uri()
    if receiver.url in (ARCHIVE, REFUSES):
        prefix = REFUSES if receiver.url == REFUSES else ""
        return make_archive_url(f"{prefix}{department.hsa_id}")
    return receiver.url
