"""A study of one hospital, a subscribed department of another, and a receiver that does what it is told."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from access.authentication import client_actor
from access.models import ApiClient, CareProvider, Department
from registry import changes
from registry.models import Destination, Instance, Study, Subscription
from repository import retrieve
from repository.delivery.duties import note_quiet_studies, plan_deliveries, send_ready
from repository.delivery.send import Source
from repository.models import Delivery
from repository.retrieve import instances_to_send
from repository.store import store
from tests.registry.factories import make_department, make_study
from tests.support.dicom import make_uid
from tests.support.receiver import Receiver, run_receiver


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """An instance whose file is its own UID: enough to see what arrived."""

    sop_instance_uid: str
    length: int = 64


def list_instances(study: Study) -> list[MemoryFile]:
    """Return the instances of the study's rows."""
    rows = Instance.objects.filter(series__study=study).order_by("pk")
    return [MemoryFile(uid) for uid in rows.values_list("sop_instance_uid", flat=True)]


def stream_file(item: MemoryFile) -> Iterator[bytes]:
    """Yield the file in two pieces."""
    content = item.sop_instance_uid.encode()
    yield content[:3]
    yield content[3:]


MEMORY = Source(list_instances, stream_file)
PACKS: Source[Any] = Source(instances_to_send, retrieve.stream_file)


@dataclass(frozen=True, slots=True)
class Region:
    """One provider with a hospital that stores and a department that subscribes."""

    hospital: Department
    ward: Department
    destination: Destination
    subscription: Subscription


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as running:
        yield running


@pytest.fixture
def region(db, receiver: Receiver) -> Region:
    provider = CareProvider.objects.create(hsa_id="SE-P", name="Region")
    hospital, ward = make_department(provider), make_department(provider)
    destination = Destination.objects.create(department=ward, name="PACS", url=receiver.url)
    subscription = Subscription.objects.create(
        department=ward, destination=destination, filter={"modality": ["CT"]}
    )
    return Region(hospital, ward, destination, subscription)


@pytest.fixture
def make_quiet(region: Region) -> Callable[..., Study]:
    """Make a study that has fallen quiet; `study=` lets a known one fall quiet again."""

    def make(study: Study | None = None, **values) -> Study:
        if study is None:
            study = make_study(region.hospital, **values)
        study.quiet_generation += 1
        study.save(update_fields=["quiet_generation"])
        changes.append("study_quiet", study.study_instance_uid, {"generation": study.quiet_generation})
        return study

    return make


class Part:
    """One instance on its way in."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def chunks(self) -> Iterator[bytes]:
        yield self.data


@pytest.fixture
def store_quiet(region: Region, settings, tmp_path: Path) -> Callable[..., None]:
    """Store instances at the hospital, whose studies are quiet at once."""
    settings.OBJECTS_ROOT, settings.SPOOL_ROOT = tmp_path / "objects", tmp_path / "spool"
    settings.QUIET_S = 0

    def act(*files: bytes) -> None:
        client = ApiClient.objects.create(name=make_uid(), department=region.hospital)
        results = store(
            [Part(file) for file in files], client_actor(client, frozenset({"store"})), door="stow"
        )
        assert [result.comment for result in results] == [""] * len(files)
        note_quiet_studies()

    return act


@pytest.fixture
def deliver(store_quiet: Callable[..., None]) -> Callable[..., Delivery]:
    """Store instances at the hospital, and make one attempt to bring them to a destination."""

    def act(url: str, title: str, *files: bytes) -> Delivery:
        Destination.objects.update(url=url, called_ae_title=title)
        store_quiet(*files)
        plan_deliveries()
        assert send_ready("worker", PACKS)
        return Delivery.objects.select_related("study").get()

    return act


def run_side_by_side(work: Callable[[], object], number: int) -> None:
    """Run `work` in so many threads at once; the first error of any is raised here."""
    with ThreadPoolExecutor(number) as pool:
        for future in [pool.submit(work) for _ in range(number)]:
            future.result()
