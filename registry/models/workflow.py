"""Orders, reports as chains of versions, encounters."""

from django.db import models

from access.models import Department
from registry.models.imaging import Study
from registry.models.patient import Patient


class Encounter(models.Model):
    """A visit or admission that orders and studies belong to."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="encounters")
    number = models.CharField(max_length=64)
    issuer = models.CharField(max_length=64)
    department = models.ForeignKey(Department, models.PROTECT, related_name="+", null=True)
    patient_class = models.CharField(max_length=8, blank=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["number", "issuer"], name="encounter_once")]

    def __str__(self) -> str:
        return self.number


class Order(models.Model):
    """An imaging request: who asks for what, why, how urgently. The accession number is unique per issuer."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="orders")
    encounter = models.ForeignKey(Encounter, models.PROTECT, related_name="orders", null=True)
    accession_number = models.CharField(max_length=64)
    accession_issuer = models.CharField(max_length=64, blank=True)
    placer_order_number = models.CharField(max_length=64, blank=True)
    ordering_department = models.ForeignKey(Department, models.PROTECT, related_name="+", null=True)
    performing_department = models.ForeignKey(Department, models.PROTECT, related_name="+", null=True)
    requester = models.CharField(max_length=324, blank=True)
    procedure_code = models.CharField(max_length=64, blank=True)
    procedure_code_scheme = models.CharField(max_length=64, blank=True)
    procedure_text = models.CharField(max_length=400, blank=True)
    question = models.TextField(blank=True)
    history = models.TextField(blank=True)
    urgency = models.CharField(max_length=16, blank=True)
    status = models.CharField(max_length=16, default="requested")
    ordered_at = models.DateTimeField(null=True)
    scheduled_at = models.DateTimeField(null=True)
    studies = models.ManyToManyField(Study, related_name="orders")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["accession_number", "accession_issuer"], name="order_once"),
        ]

    def __str__(self) -> str:
        return self.accession_number


class Report(models.Model):
    """The answer to one or more orders; its text is in its versions."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="reports")
    filler_number = models.CharField(max_length=64)
    issuer = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=400, blank=True)
    orders = models.ManyToManyField(Order, related_name="reports")
    studies = models.ManyToManyField(Study, related_name="reports")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["filler_number", "issuer"], name="report_once")]

    def __str__(self) -> str:
        return self.filler_number


class ReportVersion(models.Model):
    """One version, never edited. Status: preliminary, final, addendum, corrected, cancelled."""

    report = models.ForeignKey(Report, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=12)
    author = models.CharField(max_length=324, blank=True)
    text = models.TextField(blank=True)
    language = models.CharField(max_length=8, default="sv")
    authored_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["report", "number"], name="report_version_once")]

    def __str__(self) -> str:
        return f"{self.report_id} v{self.number} {self.status}"
