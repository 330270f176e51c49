"""What the patient decided: consents, blocks, lifts of blocks, and marks that the region keeps.

Rows are added, never edited; only their end (withdrawn, cancelled) is written, once.
"""

from django.db import models

from access.models import CareProvider, CareUnit, User
from registry.models.patient import Patient


class Consent(models.Model):
    """A patient lets a recipient read what other providers hold.

    Kinds: `consent` (given by the patient), `incapacity` (lasting: the basis says who assessed it, how the
    attitude was clarified and which care needs it), `guardian` (given by the holder of custody).
    The recipient is one provider, one unit or one person.
    """

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="consents")
    recipient_provider = models.ForeignKey(CareProvider, models.PROTECT, related_name="+", null=True)
    recipient_unit = models.ForeignKey(CareUnit, models.PROTECT, related_name="+", null=True)
    recipient_user = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    kind = models.CharField(max_length=10, default="consent")
    basis = models.JSONField(default=dict, help_text="Of incapacity: assessed_by, attitude, necessary_care")
    text_version = models.CharField(max_length=20, blank=True)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField()
    registered_by = models.CharField(max_length=200)
    registered_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    recipient_provider__isnull=False, recipient_unit__isnull=True, recipient_user__isnull=True
                )
                | models.Q(
                    recipient_provider__isnull=True, recipient_unit__isnull=False, recipient_user__isnull=True
                )
                | models.Q(
                    recipient_provider__isnull=True, recipient_unit__isnull=True, recipient_user__isnull=False
                ),
                name="consent_has_one_recipient",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} of patient {self.patient_id}"


class Block(models.Model):
    """A patient closes what a provider (outer block) or a unit (inner block) holds to everyone outside it.

    `silent` blocks are not spoken of; `absolute` ones open to no lift and no emergency. Dates are those of
    the studies (`YYYYMMDD`), both inclusive, empty for no limit.
    """

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="blocks")
    provider = models.ForeignKey(CareProvider, models.PROTECT, related_name="+", null=True, db_index=False)
    unit = models.ForeignKey(CareUnit, models.PROTECT, related_name="+", null=True, db_index=False)
    data_from = models.CharField(max_length=8, blank=True)
    data_to = models.CharField(max_length=8, blank=True)
    is_silent = models.BooleanField(default=False)
    is_absolute = models.BooleanField(default=False)
    valid_from = models.DateTimeField()
    registered_by = models.CharField(max_length=200)
    registered_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.CharField(max_length=200, blank=True)
    cancel_reason = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(provider__isnull=False, unit__isnull=True)
                | models.Q(provider__isnull=True, unit__isnull=False),
                name="block_has_one_holder",
            )
        ]

    def __str__(self) -> str:
        return f"block {self.pk} of patient {self.patient_id}"


class BlockLift(models.Model):
    """A block is opened for a unit, or one person there, for at most seven days."""

    block = models.ForeignKey(Block, models.PROTECT, related_name="lifts")
    unit = models.ForeignKey(CareUnit, models.PROTECT, related_name="+")
    user = models.ForeignKey(
        User, models.PROTECT, related_name="+", null=True, help_text="Empty: the whole unit"
    )
    basis = models.CharField(max_length=10, help_text="consent or emergency")
    requested_by = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=1000)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField()
    registered_by = models.CharField(max_length=200)
    registered_at = models.DateTimeField()
    cancelled_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"lift {self.pk} of block {self.block_id}"


class PatientFlag(models.Model):
    """A mark on a patient: `protected_1` to `protected_3`, `vip`, `staff`, `opted_out`."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="flags")
    kind = models.CharField(max_length=12)
    source = models.CharField(max_length=100, blank=True)
    registered_by = models.CharField(max_length=200, blank=True)
    registered_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["patient", "kind"], condition=models.Q(ended_at__isnull=True), name="flag_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of patient {self.patient_id}"
