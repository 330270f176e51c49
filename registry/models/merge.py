"""The journal of patients that were found to be one person, and of what was moved for it."""

from django.db import models
from django.db.models import Q

from registry.models.patient import Patient


class PatientMerge(models.Model):
    """The subsumed patient's rows were moved to the survivor; undone, they were moved back.

    Kinds: `merge` (the subsumed numbers are none to register under or to ask for any more), `link` (both
    stay good numbers of one person), `move` (some of the rows only, which were filed under the wrong person).
    """

    kind = models.CharField(max_length=8)
    survivor = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    subsumed = models.ForeignKey(Patient, models.PROTECT, related_name="+")
    source = models.CharField(max_length=200, help_text="Which feed or person said so")
    message_id = models.CharField(max_length=200, blank=True, help_text="Control id of the message")
    reason = models.CharField(max_length=400, blank=True)
    made_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=200, blank=True)
    undo_reason = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(survivor=models.F("subsumed")) | Q(kind="move"), name="merge_of_two"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of patient {self.subsumed_id} into {self.survivor_id}"


class MovedRow(models.Model):
    """One row that a merge took from one patient to another: `table` is its model's label."""

    merge = models.ForeignKey(PatientMerge, models.CASCADE, related_name="moved")
    table = models.CharField(max_length=60)
    row = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merge", "table", "row"], name="moved_once")]

    def __str__(self) -> str:
        return f"{self.table} {self.row}"
