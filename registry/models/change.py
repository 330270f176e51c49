"""The change feed: rows appended in the transaction that changed something, numbered after commit."""

from django.db import models
from django.db.models import Q


class Change(models.Model):
    """One change. `position` is given to committed rows only: it is the feed's order, the id is not."""

    position = models.BigIntegerField(null=True, unique=True)
    kind = models.CharField(max_length=20)
    study_instance_uid = models.CharField(max_length=64, blank=True)
    detail = models.JSONField(default=dict)
    appended_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["id"], name="change_unnumbered", condition=Q(position__isnull=True))]

    def __str__(self) -> str:
        return f"{self.position} {self.kind} {self.study_instance_uid}"


class ChangeCursor(models.Model):
    """How far one reader has come; saved in the transaction that did the work."""

    reader = models.CharField(max_length=40, primary_key=True)
    position = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.reader} at {self.position}"
