"""The bytes of documents that are no instances: PDF, CDA, text, manifests."""

from django.db import models


class StoredDocument(models.Model):
    """One document's bytes in the object store, under the registry's `unique_id`.

    The row is written with the registration: an object without a row is an orphan that the sweep removes.
    """

    key = models.CharField(max_length=80, unique=True)
    unique_id = models.CharField(max_length=128, unique=True)
    mime_type = models.CharField(max_length=128)
    size = models.BigIntegerField()
    sha1 = models.BinaryField(max_length=20)
    sha256 = models.BinaryField(max_length=32)
    stored_at = models.DateTimeField()
    purged_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.unique_id
