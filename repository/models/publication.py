"""How far the manifests of a study are published."""

from django.db import models
from django.db.models import Q


class Publication(models.Model):
    """One study's: due again since a change, until the documents say what the study holds.

    A study that cannot be published waits longer from attempt to attempt, with its `error`; the others go on.
    """

    study_instance_uid = models.CharField(max_length=64, primary_key=True)
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of what was published last")
    due_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(
        null=True, help_text="Since when something is not published; null: all is"
    )
    asked = models.PositiveBigIntegerField(default=0, help_text="Raised with every change that asks for it")
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=400, blank=True)
    published_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="publication_due", condition=Q(due_at__isnull=False))]

    def __str__(self) -> str:
        return self.study_instance_uid
