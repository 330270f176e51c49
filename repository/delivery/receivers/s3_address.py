"""Where a destination's bucket may be."""

from django.conf import settings

from repository.objects.bucket_address import resolve_place
from repository.objects.bucket_place import BucketPlace


def resolve_bucket(url: str) -> BucketPlace:
    """Check the address of a destination's bucket and resolve the host of its service.

    Raises
    ------
    ForbiddenAddress
        Not `s3://bucket/prefix`, no service named, or its host in a range that is not allowed.
    UnknownHost
        The name server does not know the host, or does not answer.
    """
    return resolve_place(url, allow_private=settings.ALLOW_PRIVATE_DESTINATIONS)
