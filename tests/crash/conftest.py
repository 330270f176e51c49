"""A hospital that stores, a ward that subscribes, and a sink that is the ward's system."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from access.models import CareProvider, Department
from registry.models import Destination, Subscription
from tests.registry.factories import make_department
from tests.repository.delivery.conftest import make_quiet  # noqa: F401 (a fixture)
from tests.support.sink import Sink, Ward, run_sink


@dataclass(frozen=True, slots=True)
class Region:
    """One provider with a hospital that stores and a department that subscribes to CT."""

    hospital: Department
    ward: Department
    destination: Destination
    subscription: Subscription


@pytest.fixture
def sink() -> Iterator[Sink]:
    with run_sink() as running:
        yield running


@pytest.fixture
def system(sink: Sink) -> Ward:
    """The system of the subscribed department."""
    return sink.ward("ward")


@pytest.fixture
def region(db, sink: Sink) -> Region:
    provider = CareProvider.objects.create(hsa_id="SE-P", name="Region")
    hospital, ward = make_department(provider), make_department(provider)
    destination = Destination.objects.create(department=ward, name="PACS", url=sink.url_of("ward"))
    subscription = Subscription.objects.create(
        department=ward, destination=destination, filter={"modality": ["CT"]}
    )
    return Region(hospital, ward, destination, subscription)


@pytest.fixture
def folder(settings, tmp_path: Path) -> Path:
    """Where this test's packs and spool lie; studies are quiet at once."""
    settings.OBJECTS_ROOT, settings.SPOOL_ROOT = tmp_path / "objects", tmp_path / "spool"
    settings.QUIET_S = 0
    return tmp_path
