"""Patients and their identifiers by issuer."""

from django.db import models

from access.models import Department


class Patient(models.Model):
    """A person as the region knows them; one row however many numbers.

    `patient_name_folded` is written by Python (`registry.names.fold_name`), the same on both databases.
    """

    patient_name = models.CharField(max_length=324, blank=True)
    patient_name_folded = models.CharField(max_length=324, blank=True, db_index=True)
    patient_birth_date = models.CharField(max_length=8, blank=True)
    patient_sex = models.CharField(max_length=16, blank=True)
    postal_code = models.CharField(max_length=16, blank=True, help_text="Of the residence, as the feed says")
    deceased_at = models.DateTimeField(null=True)
    merged_into = models.ForeignKey(
        "self", models.PROTECT, related_name="+", null=True, help_text="Subsumed: whose rows these are now"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    access_epoch = models.BigIntegerField(
        default=0, help_text="Raised with every change of what decides about access to the patient"
    )

    def __str__(self) -> str:
        return f"patient {self.pk}"


class PatientIdentifier(models.Model):
    """One number under one issuer; the pair names at most one patient."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="identifiers")
    value = models.CharField(max_length=64)
    issuer = models.CharField(max_length=64, help_text="OID of the assigning authority")
    is_national = models.BooleanField(default=False)
    subsumed_at = models.DateTimeField(
        null=True, help_text="Since a merge: finds the survivor, but is no number to register or ask under"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["value", "issuer"], name="identifier_once")]

    def __str__(self) -> str:
        return f"identifier {self.pk} of patient {self.patient_id}"


class IssuerRule(models.Model):
    """One line of a department's ordered rules: which issuer a number without one has.

    Kinds: `national` (a valid personnummer or samordningsnummer), `pattern` (a regular expression on
    the number), `local` (everything else).
    """

    department = models.ForeignKey(Department, models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10)
    pattern = models.CharField(max_length=200, blank=True)
    issuer = models.CharField(max_length=64)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["department", "position"], name="issuer_rule_order")]

    def __str__(self) -> str:
        return f"{self.position} {self.kind} -> {self.issuer}"
