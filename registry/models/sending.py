"""What a person sends now, and the list in which a department finds what came to it."""

from django.db import models
from django.db.models import Q

from access.models import Department
from registry.models.imaging import Study
from registry.models.patient import Patient
from registry.models.share import Share


class SendRequest(models.Model):
    """A person sent a patient's study, or all that is relevant of a patient, to a department at once.

    Without study it is about the patient. Until `follows_until` what still arrives goes as well.
    """

    study = models.ForeignKey(Study, models.CASCADE, related_name="send_requests", null=True)
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="send_requests")
    department = models.ForeignKey(Department, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=400)
    priority = models.CharField(max_length=8, default="urgent")
    wants = models.JSONField(default=list, help_text="As of a subscription")
    shares = models.ManyToManyField(Share, related_name="send_requests")
    sent_by = models.CharField(max_length=200)
    sent_from = models.ForeignKey(Department, models.PROTECT, related_name="+", null=True)
    sent_at = models.DateTimeField()
    follows_until = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["patient", "follows_until"], name="send_request_open"),
            models.Index(fields=["department", "-sent_at"], name="send_request_newest"),
        ]

    def __str__(self) -> str:
        return f"sent {self.sent_at} to department {self.department_id}"


class WorklistItem(models.Model):
    """A study in a department's worklist in the portal. States: new, opened, done, withdrawn."""

    department = models.ForeignKey(Department, models.CASCADE, related_name="worklist")
    study = models.ForeignKey(Study, models.CASCADE, related_name="worklist_items")
    priority_rank = models.PositiveSmallIntegerField(default=1)
    reason = models.CharField(max_length=400, blank=True, help_text="Why it came, for the reader")
    state = models.CharField(max_length=10, default="new")
    arrived_at = models.DateTimeField()
    changed_at = models.DateTimeField(help_text="When something of it last came: images, a report")
    opened_at = models.DateTimeField(null=True)
    opened_by = models.CharField(max_length=200, blank=True)
    done_at = models.DateTimeField(null=True)
    done_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["department", "study"], name="worklist_once")]
        indexes = [
            models.Index(
                fields=["department", "priority_rank", "-changed_at"],
                name="worklist_open",
                condition=Q(state__in=("new", "opened")),
            )
        ]

    def __str__(self) -> str:
        return f"study {self.study_id} for department {self.department_id}"
