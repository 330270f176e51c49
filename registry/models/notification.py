"""Systems that asked to be told about documents (FHIR subscriptions), and what they were or are to be told."""

from django.db import models
from django.db.models import Q

from access.models import ApiClient, Department
from registry.models.patient import Patient


class FhirSubscription(models.Model):
    """One subscription of a system; its rights are asked anew for each notification.

    Standard: IHE DSUBm ITI-110
    """

    client = models.ForeignKey(ApiClient, models.CASCADE, related_name="+")
    department = models.ForeignKey(Department, models.PROTECT, related_name="+", null=True)
    status = models.CharField(max_length=12, default="requested", help_text="requested, active, error or off")
    topic = models.CharField(max_length=200)
    patient = models.ForeignKey(Patient, models.PROTECT, related_name="+", null=True)
    criteria = models.CharField(max_length=1000, blank=True, help_text="The filter, as search parameters")
    endpoint = models.URLField(max_length=400)
    headers_sealed = models.TextField(blank=True, help_text="Headers to send, encrypted")
    content = models.CharField(max_length=16, default="id-only")
    media_type = models.CharField(max_length=40, default="application/fhir+json")
    base = models.CharField(max_length=200, default="", help_text="Our address, as the subscriber knows it")
    heartbeat_s = models.PositiveIntegerField(null=True)
    heartbeat_at = models.DateTimeField(null=True, help_text="When something must be heard of us again")
    reason = models.CharField(max_length=200, blank=True)
    ends_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=400, blank=True)
    events = models.PositiveBigIntegerField(default=0)
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"subscription {self.pk} of client {self.client_id}"


class FhirNotification(models.Model):
    """One event to tell a subscriber of. Kinds: `handshake`, `event-notification`, `deactivation`."""

    subscription = models.ForeignKey(FhirSubscription, models.CASCADE, related_name="notifications")
    number = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=20)
    focus = models.CharField(max_length=120, blank=True, help_text="Type and id of what happened to")
    made_at = models.DateTimeField()
    not_before = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscription", "number"], name="notification_once")]
        indexes = [
            models.Index(fields=["not_before"], name="notification_due", condition=Q(sent_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of subscription {self.subscription_id}"
