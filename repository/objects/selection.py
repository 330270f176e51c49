"""Which object store this installation uses."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from repository.objects.base import ObjectStore
from repository.objects.local import LocalObjectStore


def open_store() -> ObjectStore:
    """Return the object store of the settings; its root folder is made on first use."""
    return _open_local(Path(settings.OBJECTS_ROOT))


@lru_cache(maxsize=8)
def _open_local(root: Path) -> ObjectStore:
    root.mkdir(parents=True, exist_ok=True)
    return LocalObjectStore(root)
