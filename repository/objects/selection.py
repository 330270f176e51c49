"""Which object store this installation uses."""

import os
import ssl
import time
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from access.address import ForbiddenAddress
from repository.objects.base import ObjectStore
from repository.objects.bucket import open_bucket
from repository.objects.bucket_address import resolve_place
from repository.objects.local import LocalObjectStore
from repository.objects.s3 import BucketObjectStore

CONNECTIONS = 16
ATTEMPTS = 3
RESOLVED_FOR_S = 300.0


def open_store() -> ObjectStore:
    """Return the object store of the settings; a root folder is made on first use.

    Raises
    ------
    ImproperlyConfigured
        `SAMSYN_OBJECTS` or `SAMSYN_S3_KEY` is not what it has to be.
    OSError
        The service of the bucket is unknown to the name server.
    """
    if settings.OBJECTS_BUCKET:
        # Each process has connections of its own, whatever was open where it was forked; and the name of the
        # service is resolved again from time to time.
        turn = (os.getpid(), int(time.monotonic() // RESOLVED_FOR_S))
        spool = Path(settings.SPOOL_ROOT) / "objects"
        return _open_bucket(settings.OBJECTS_BUCKET, settings.S3_KEY, settings.S3_ENDPOINT, spool, turn)
    return _open_local(Path(settings.OBJECTS_ROOT))


@lru_cache(maxsize=8)
def _open_local(root: Path) -> ObjectStore:
    root.mkdir(parents=True, exist_ok=True)
    return LocalObjectStore(root)


@lru_cache(maxsize=8)
def _open_bucket(url: str, key: str, endpoint: str, spool: Path, turn: tuple[int, int]) -> ObjectStore:
    access_key, colon, secret_key = key.partition(":")
    if not (access_key and colon and secret_key):
        raise ImproperlyConfigured("SAMSYN_S3_KEY is the access key of the bucket, a colon and its secret")
    try:
        place = resolve_place(url, allow_private=True)
    except ForbiddenAddress as error:
        raise ImproperlyConfigured(f"SAMSYN_OBJECTS: {error}") from error
    context = ssl.create_default_context() if place.endpoint.scheme == "https" else None
    bucket = open_bucket(place, access_key, secret_key, context, attempts=ATTEMPTS, connections=CONNECTIONS)
    spool.mkdir(parents=True, exist_ok=True)
    return BucketObjectStore(bucket, spool)
