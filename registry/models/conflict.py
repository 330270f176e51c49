"""What could not be taken as it came and waits for a person."""

from django.db import models

from access.models import Department
from registry.models.imaging import Study


class Conflict(models.Model):
    """A disagreement. Kinds: `demographics`, `no_identity`, `other_patient`, `other_bytes`."""

    kind = models.CharField(max_length=20)
    study = models.ForeignKey(Study, models.CASCADE, related_name="conflicts")
    department = models.ForeignKey(Department, models.PROTECT, related_name="+", null=True)
    sop_instance_uid = models.CharField(max_length=64, blank=True)
    detail = models.JSONField(default=dict)
    found_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.kind} of study {self.study_id}"
