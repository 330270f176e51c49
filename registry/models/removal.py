"""What was deleted or rejected: who did it, why, and the rows as they were, so that they can come back.

A removed instance is no row of `Instance` any more, so no reader can forget to leave it out.
"""

from django.db import models

from registry.models.imaging import InstanceColumns, Segment, Series, Study
from registry.models.patient import Patient


class Removal(models.Model):
    """One deletion or rejection of a study, a series or instances; written once, `restored_at` later.

    The study is that of `person` at the time: what was removed from one patient never comes back to another.
    """

    DELETE = "delete"
    REJECT = "reject"

    study = models.ForeignKey(Study, models.PROTECT, related_name="removals")
    person = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8)
    series_instance_uid = models.CharField(max_length=64, blank=True, help_text="Empty: all of the study")
    sop_instance_uid = models.CharField(max_length=64, blank=True, help_text="Empty: all of the series")
    code_value = models.CharField(max_length=16, blank=True)
    coding_scheme_designator = models.CharField(max_length=16, blank=True)
    code_meaning = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    note_sop_instance_uid = models.CharField(max_length=64, blank=True, help_text="The key object that asked")
    instances = models.PositiveIntegerField()
    removed_by = models.CharField(max_length=200)
    removed_at = models.DateTimeField()
    recoverable_until = models.DateTimeField()
    restored_by = models.CharField(max_length=200, blank=True)
    restored_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"removal {self.pk} ({self.kind}) of study {self.study_id}"


class RemovedInstance(InstanceColumns):
    """The row of an instance as it was, and what became of it; it stays when its bytes are gone.

    States: hidden, restored (it is an `Instance` again), replaced (another was stored under its UID), erased.
    `segment` is None once its bytes need not be kept here.
    """

    HIDDEN = "hidden"
    RESTORED = "restored"
    REPLACED = "replaced"
    ERASED = "erased"

    removal = models.ForeignKey(Removal, models.PROTECT, related_name="items")
    state = models.CharField(max_length=8, default=HIDDEN)
    instance_id = models.BigIntegerField(help_text="Primary key of the row it was, and will be again")
    sop_instance_uid = models.CharField(max_length=64)
    series = models.ForeignKey(Series, models.PROTECT, related_name="removed")
    segment = models.ForeignKey(Segment, models.PROTECT, null=True, related_name="removed")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["sop_instance_uid"], name="removed_once", condition=models.Q(state="hidden")
            )
        ]
        indexes = [models.Index(fields=["sop_instance_uid"], name="removed_uid")]

    def __str__(self) -> str:
        return f"{self.sop_instance_uid} {self.state}"
