"""Real instances stored in a test's own folder, for cases in which the bytes matter."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from access.authentication import client_actor
from access.models import ApiClient, Department
from registry.models import Study
from repository.delivery.duties import note_quiet_studies, plan_deliveries
from repository.delivery.send import Source
from repository.retrieve import instances_to_send, stream_file
from repository.store import store

PACKS: Source[Any] = Source(instances_to_send, stream_file)


@dataclass(frozen=True, slots=True)
class Part:
    """One instance on its way in."""

    data: bytes

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes."""
        yield self.data


def store_files(department: Department, *files: bytes) -> list[str]:
    """Store files as a department's system; returns the comment on each that was not taken as it is."""
    client, _ = ApiClient.objects.get_or_create(name=f"modality {department.pk}", department=department)
    parts = [Part(file) for file in files]
    results = store(parts, client_actor(client, frozenset({"store"})), door="stow")
    return [result.comment for result in results if result.comment]


def fall_quiet() -> list[Study]:
    """Let every study that something was stored of fall quiet, and plan; settings.QUIET_S must be 0."""
    note_quiet_studies()
    plan_deliveries()
    return list(Study.objects.order_by("pk"))
