"""Why somebody may see a patient's data: part in the care, a choice that was made, an opening in an emergency.

Rows are added, never edited; the end of one is written once. Only the relation that follows from
examinations is one row a patient and unit whose end moves on.
"""

from django.db import models

from access.models import Assignment, CareUnit, User
from registry.models.imaging import Study
from registry.models.patient import Patient


class CareRelation(models.Model):
    """A care unit takes part in a patient's care for a time.

    Sources: `examination`, `order`, `admission`, `referral`, `self_declared` (of one person, sampled for review).
    """

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="relations", db_index=False)
    unit = models.ForeignKey(CareUnit, models.PROTECT, related_name="+", db_index=False)
    user = models.ForeignKey(
        User, models.PROTECT, related_name="+", null=True, help_text="Empty: the whole unit"
    )
    source = models.CharField(max_length=16)
    reason = models.CharField(max_length=400, blank=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField()
    registered_by = models.CharField(max_length=200, blank=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["patient", "unit"], name="relation_of_patient")]
        constraints = [
            models.UniqueConstraint(
                fields=["unit", "patient"],
                condition=models.Q(source="examination"),
                name="examination_relation_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} relation of unit {self.unit_id} to patient {self.patient_id}"


class Participation(models.Model):
    """A person took part in a study: `ordered`, `performed`, `reported`, or has it on the `worklist`."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="participations", db_index=False)
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10)
    registered_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "user", "kind"], name="participation_once")]

    def __str__(self) -> str:
        return f"user {self.user_id} {self.kind} study {self.study_id}"


class ActiveChoice(models.Model):
    """A person chose to read a patient's data: of another unit of the same provider, or in spite of a prompt.

    `unit` is the unit whose data were chosen; empty where a reason was given for a patient who asks for one
    (public person, colleague, relative).
    """

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="choices")
    assignment = models.ForeignKey(Assignment, models.PROTECT, related_name="+")
    unit = models.ForeignKey(CareUnit, models.PROTECT, related_name="+", null=True)
    reason = models.CharField(max_length=400, blank=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField()

    def __str__(self) -> str:
        return f"choice {self.pk} of assignment {self.assignment_id}"


class EmergencyOpening(models.Model):
    """An opening in an emergency: step one named where there is more, step two opened the data.

    It opens one patient to one person under one assignment until `ends_at` or until it is closed.
    """

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="openings")
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    assignment = models.ForeignKey(Assignment, models.PROTECT, related_name="+")
    reason_code = models.CharField(max_length=40)
    reason = models.CharField(max_length=1000)
    located_at = models.DateTimeField(help_text="Step one: where there is more")
    opened_at = models.DateTimeField(null=True, help_text="Step two: the data")
    ends_at = models.DateTimeField(help_text="End of the step that was reached")
    closed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"emergency opening {self.pk} of patient {self.patient_id}"


class EmergencyReview(models.Model):
    """What a head of unit found about an opening: `justified`, `question` or `misuse`. The newest one counts."""

    opening = models.ForeignKey(EmergencyOpening, models.PROTECT, related_name="reviews")
    verdict = models.CharField(max_length=10)
    text = models.CharField(max_length=1000, blank=True)
    reviewer = models.ForeignKey(User, models.PROTECT, related_name="+")
    reviewed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.verdict} of opening {self.opening_id}"


class Relative(models.Model):
    """A person who works in the region is close to a patient: reading asks for a reason and is reviewed."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="relatives")
    user = models.ForeignKey(User, models.PROTECT, related_name="+")
    registered_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "user"], condition=models.Q(ended_at__isnull=True), name="relative_once"
            )
        ]

    def __str__(self) -> str:
        return f"user {self.user_id} is close to patient {self.patient_id}"
