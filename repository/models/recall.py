"""Recalls: what was delivered and then rejected is asked back from every receiver."""

from django.db import models

from registry.models import Destination, Removal, Study
from repository.models.delivery import Delivery


class Recall(models.Model):
    """One rejection or deletion of what had been delivered: open until every receiver has acknowledged."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="recalls")
    removal = models.OneToOneField(Removal, models.PROTECT, related_name="recall", null=True)
    code_value = models.CharField(max_length=16)
    code_meaning = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    made_by = models.CharField(max_length=200)
    made_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["made_at"], name="recall_open", condition=models.Q(closed_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"recall {self.pk} of study {self.study_id}"


class RecallReceipt(models.Model):
    """What one receiver has done about a recall.

    States: `sending` (the rejection note is on its way), `acknowledged` (its system took the note), `task` (a person
    there has to remove the images), `done` (that person has), `undone` (it was brought back before anything was asked).
    """

    recall = models.ForeignKey(Recall, models.CASCADE, related_name="receipts")
    destination = models.ForeignKey(Destination, models.PROTECT, related_name="+")
    delivery = models.ForeignKey(Delivery, models.SET_NULL, related_name="+", null=True)
    state = models.CharField(max_length=12, default="sending")
    sop_instance_uids = models.JSONField(default=list, help_text="Delivered there and recalled")
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["recall", "destination"], name="recall_receipt_once")]

    def __str__(self) -> str:
        return f"recall {self.recall_id} at destination {self.destination_id}: {self.state}"
