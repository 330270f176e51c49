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


class MergeRequest(models.Model):
    """A merge or link that a feed asks for and that a person has to decide, by the policy of the number's issuer.

    Named by numbers, not patients: who has them may change while it waits. Decisions: `made`, `refused`, `withdrawn`
    by its own feed; empty while it waits.
    """

    kind = models.CharField(max_length=8)
    survivor_value = models.CharField(max_length=64)
    survivor_issuer = models.CharField(max_length=64)
    subsumed_value = models.CharField(max_length=64)
    subsumed_issuer = models.CharField(max_length=64)
    source = models.CharField(max_length=200)
    message_id = models.CharField(max_length=200, blank=True)
    requested_at = models.DateTimeField()
    decision = models.CharField(max_length=10, blank=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=400, blank=True)
    merge = models.ForeignKey(PatientMerge, models.SET_NULL, related_name="requests", null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "kind",
                    "survivor_value",
                    "survivor_issuer",
                    "subsumed_value",
                    "subsumed_issuer",
                ],
                condition=Q(decision=""),
                name="merge_waits_once",
            )
        ]

    def __str__(self) -> str:
        return f"request {self.pk} to {self.kind}"


class MovedRow(models.Model):
    """One row that a merge took from one patient to another: `table` is its model's label."""

    merge = models.ForeignKey(PatientMerge, models.CASCADE, related_name="moved")
    table = models.CharField(max_length=60)
    row = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merge", "table", "row"], name="moved_once")]

    def __str__(self) -> str:
        return f"{self.table} {self.row}"
