"""The access log: values, no keys, because the log outlives the rows it speaks of."""

from django.db import models


class AuditEvent(models.Model):
    """One thing that somebody did, written before the answer is sent."""

    recorded_at = models.DateTimeField()
    action = models.CharField(max_length=20)
    outcome = models.CharField(max_length=20)
    actor = models.CharField(max_length=200)
    actor_kind = models.CharField(max_length=10)
    assignment_id = models.BigIntegerField(null=True)
    role = models.CharField(max_length=100, blank=True)
    on_behalf_of = models.CharField(max_length=200, blank=True)
    care_unit_hsa_id = models.CharField(max_length=64, blank=True)
    department_hsa_id = models.CharField(max_length=64, blank=True)
    purpose = models.CharField(max_length=20, blank=True)
    door = models.CharField(max_length=20, blank=True)
    address = models.CharField(max_length=64, blank=True)
    patient_id = models.BigIntegerField(null=True)
    study_instance_uid = models.CharField(max_length=64, blank=True)
    rule = models.CharField(max_length=10, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["recorded_at"], name="audit_by_time"),
            models.Index(fields=["actor", "recorded_at"], name="audit_by_actor"),
            models.Index(
                fields=["patient_id", "recorded_at"],
                name="audit_by_patient",
                condition=models.Q(patient_id__isnull=False),
            ),
            models.Index(fields=["study_instance_uid", "recorded_at"], name="audit_by_study"),
        ]

    def __str__(self) -> str:
        return f"{self.recorded_at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.outcome}"


class AccessSpan(models.Model):
    """What followed a first access within its window: counts only."""

    event = models.OneToOneField(AuditEvent, models.CASCADE, related_name="span", db_constraint=False)
    instances = models.PositiveIntegerField(default=0)
    frames = models.PositiveIntegerField(default=0)
    bytes_sent = models.BigIntegerField(default=0)
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"span of event {self.event_id}"


class AuditSeal(models.Model):
    """A closed batch of the log: the Merkle root over its rows, chained to the seal before it."""

    number = models.BigIntegerField(unique=True)
    first_event_id = models.BigIntegerField()
    last_event_id = models.BigIntegerField()
    event_count = models.PositiveIntegerField()
    root = models.BinaryField(max_length=32)
    previous = models.BinaryField(max_length=32)
    signature = models.BinaryField()
    sealed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"seal {self.number} over events {self.first_event_id}-{self.last_event_id}"


class AuditCursor(models.Model):
    """How far one reader of the log (a shipper) has come."""

    reader = models.CharField(max_length=40, primary_key=True)
    event_id = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.reader} at {self.event_id}"
