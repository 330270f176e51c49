"""Where the objects lie, for `doctor`: a folder or a bucket, whether it has what the database knows, and encryption."""

import os
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from repository.models import Pack
from repository.objects.base import ObjectStore, UnknownObject
from repository.objects.s3 import BucketObjectStore
from repository.objects.selection import open_store


@dataclass(frozen=True, slots=True)
class ObjectsPlace:
    """What is found where the objects lie.

    Parameters
    ----------
    where
        The folder, or the address of the bucket.
    trouble
        Why the objects cannot be read, or that the newest pack is not as it was written; empty where all is well.
    can_be_read
        False where nothing can be said of what lies there.
    encryption
        What encrypts it, by the operating system's or the service's own word; empty where nothing is known to.
    """

    where: str
    trouble: str
    can_be_read: bool
    encryption: str
    is_bucket: bool


def look_at_objects() -> ObjectsPlace:
    """Look where the objects lie: at the newest pack, by its size."""
    is_bucket = bool(settings.OBJECTS_BUCKET)
    where = f"bucket {settings.OBJECTS_BUCKET}" if is_bucket else f"folder {settings.OBJECTS_ROOT}"
    newest = Pack.objects.filter(state=Pack.LIVE).order_by("-written_at", "-key").first()
    try:
        store = open_store()
        trouble = _find_trouble(store, newest)
        encryption = _find_encryption(store, newest)
    except (OSError, ImproperlyConfigured) as error:
        return ObjectsPlace(where, f"the objects cannot be read: {error}", False, "", is_bucket)
    return ObjectsPlace(where, trouble, True, encryption, is_bucket)


def lies_on_encrypted_volume(path: Path) -> bool:
    """Tell whether Linux knows the path's volume as an encrypted one (dm-crypt); False when it cannot be known."""
    existing = next((folder for folder in (path, *path.parents) if folder.exists()), Path("/"))
    device = existing.stat().st_dev
    uuid = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/dm/uuid")
    return uuid.exists() and uuid.read_text().startswith("CRYPT-")


def _find_trouble(store: ObjectStore, newest: Pack | None) -> str:
    if newest is None:
        next(iter(store.keys("packs/")), None)  # whether it answers at all
        return ""
    try:
        size_bytes = store.size(newest.key)
    except UnknownObject:
        return f"the newest pack {newest.key} is not there: is this the place that it was written to?"
    if size_bytes != newest.size_bytes:
        return f"the newest pack {newest.key} has {size_bytes} bytes instead of {newest.size_bytes}"
    return ""


def _find_encryption(store: ObjectStore, newest: Pack | None) -> str:
    if not isinstance(store, BucketObjectStore):
        return "dm-crypt" if lies_on_encrypted_volume(Path(settings.OBJECTS_ROOT)) else ""
    try:
        return store.encryption(newest.key) if newest else ""
    except UnknownObject:
        return ""
