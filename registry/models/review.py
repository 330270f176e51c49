"""Looking back: notices to heads of unit, and the periodic review of a unit's access log."""

from django.db import models

from access.models import CareUnit
from registry.models.patient import Patient


class Notice(models.Model):
    """Something that the head of a unit is told at once; the row is the notice, mail only points to it.

    Kinds: `emergency_opening` (step two was taken), `emergency_lift` (a block was lifted in an emergency),
    `urgent_late` (an urgent delivery has not arrived in its time).
    `subject_row` names the row in question, as `opening:12`.
    """

    kind = models.CharField(max_length=20)
    unit = models.ForeignKey(CareUnit, models.PROTECT, related_name="+", help_text="Whose head is told")
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", db_index=False)
    subject_row = models.CharField(max_length=40)
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField(null=True)
    seen_by = models.CharField(max_length=200, blank=True)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="notice_unmailed", condition=models.Q(mailed_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.kind} notice {self.pk} to unit {self.unit_id}"


class LogReview(models.Model):
    """The review of what a unit's people read in a period: drawn by rule, signed off by a head of unit.

    `rule` holds the parameters and the seed of the draw: drawn again it finds the same.
    """

    unit = models.ForeignKey(CareUnit, models.PROTECT, related_name="+")
    period_from = models.DateTimeField()
    period_to = models.DateTimeField()
    rule = models.JSONField(default=dict)
    events = models.PositiveIntegerField(default=0, help_text="How many accesses it was drawn from")
    drawn_at = models.DateTimeField()
    drawn_by = models.CharField(max_length=200)
    due_at = models.DateTimeField()
    signed_at = models.DateTimeField(null=True)
    signed_by = models.CharField(max_length=200, blank=True)
    summary = models.CharField(max_length=2000, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["unit", "period_from", "period_to"], name="log_review_once")
        ]

    def __str__(self) -> str:
        return f"log review {self.pk} of unit {self.unit_id}"


class LogReviewItem(models.Model):
    """One access to look at: the event of the log as a value, why it was drawn, what was found.

    Findings: `justified`, `question`, `misuse`; empty until somebody has looked.
    """

    review = models.ForeignKey(LogReview, models.CASCADE, related_name="items")
    event_id = models.BigIntegerField()
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", null=True, db_index=False)
    subject = models.CharField(max_length=200, help_text="Who read")
    reasons = models.JSONField(default=list)
    finding = models.CharField(max_length=10, blank=True)
    text = models.CharField(max_length=1000, blank=True)
    found_by = models.CharField(max_length=200, blank=True)
    found_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["review", "event_id"], name="review_item_once")]

    def __str__(self) -> str:
        return f"item {self.pk} of log review {self.review_id}"
