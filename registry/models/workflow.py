"""Orders, reports as chains of versions, encounters."""

from django.db import models
from django.db.models import Q

from access.models import Department, User
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
    """An imaging request: who asks for what, why, how urgently. The accession number is unique per issuer.

    It is empty until the performing side has given one: such an order is known by the placer's number.
    """

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="orders")
    encounter = models.ForeignKey(Encounter, models.PROTECT, related_name="orders", null=True)
    accession_number = models.CharField(max_length=64, blank=True)
    accession_issuer = models.CharField(max_length=64, blank=True)
    placer_order_number = models.CharField(max_length=64, blank=True)
    placer_issuer = models.CharField(max_length=64, blank=True)
    filler_order_number = models.CharField(max_length=64, blank=True)
    requested_procedure_id = models.CharField(max_length=64, blank=True)
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
    changed_at = models.DateTimeField(
        null=True, help_text="When its source last changed it: an older message changes nothing"
    )
    studies = models.ManyToManyField(Study, related_name="orders")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["accession_number", "accession_issuer"],
                name="order_once",
                condition=~Q(accession_number=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["placer_order_number", "placer_issuer"],
                name="order_of_placer",
                condition=~Q(placer_order_number=""),
            )
        ]

    def __str__(self) -> str:
        return self.accession_number or self.placer_order_number


class Report(models.Model):
    """The answer to one or more orders; its text is in its versions."""

    patient = models.ForeignKey(Patient, models.PROTECT, related_name="reports")
    filler_number = models.CharField(max_length=64)
    issuer = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=400, blank=True)
    verifies = models.BooleanField(default=True, help_text="A final version makes its studies verified")
    orders = models.ManyToManyField(Order, related_name="reports")
    studies = models.ManyToManyField(Study, related_name="reports")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["filler_number", "issuer"], name="report_once")]

    def __str__(self) -> str:
        return self.filler_number


class ReportVersion(models.Model):
    """One version; what it says is never edited. Status: preliminary, final, addendum, corrected, cancelled.

    `number` is its place in the chain, 1 the oldest: one that comes late moves those that follow it.
    """

    report = models.ForeignKey(Report, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=12)
    author = models.CharField(max_length=324, blank=True)
    text = models.TextField(blank=True)
    language = models.CharField(max_length=8, default="sv")
    authored_at = models.DateTimeField()
    received_at = models.DateTimeField(auto_now_add=True)
    digest = models.BinaryField(
        max_length=32, default=b"", help_text="SHA-256 of what it says: a repeated message adds nothing"
    )
    source_number = models.CharField(
        max_length=64, blank=True, help_text="Its own number at the source, by which later ones refer to it"
    )
    document_unique_id = models.CharField(max_length=128, blank=True, help_text="Of a file it came as")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["report", "number"], name="report_version_once")]
        indexes = [
            models.Index(fields=["source_number"], name="version_of_source", condition=~Q(source_number=""))
        ]

    def __str__(self) -> str:
        return f"{self.report_id} v{self.number} {self.status}"


class AwaitedStudy(models.Model):
    """A study that an order or a report names: by its UID, or by its accession number and issuer.

    The rows stay: images may come long after, and again.
    """

    order = models.ForeignKey(Order, models.CASCADE, related_name="awaited", null=True)
    report = models.ForeignKey(Report, models.CASCADE, related_name="awaited", null=True)
    study_instance_uid = models.CharField(max_length=64, blank=True)
    accession_number = models.CharField(max_length=64, blank=True)
    accession_issuer = models.CharField(max_length=64, blank=True)
    department = models.ForeignKey(
        Department, models.PROTECT, related_name="+", null=True, help_text="Whose numbers these are"
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["study_instance_uid"], name="awaited_uid", condition=~Q(study_instance_uid="")
            ),
            models.Index(
                fields=["accession_number"], name="awaited_accession", condition=~Q(accession_number="")
            ),
        ]

    def __str__(self) -> str:
        return self.study_instance_uid or self.accession_number


class ReportReading(models.Model):
    """That a person opened a version of a report, or a department's system received it.

    `correction` is the later version that the reader has to be told of, until it is acknowledged.
    """

    version = models.ForeignKey(ReportVersion, models.CASCADE, related_name="readings")
    user = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    department = models.ForeignKey(Department, models.PROTECT, related_name="+")
    read_at = models.DateTimeField()
    correction = models.ForeignKey(ReportVersion, models.SET_NULL, related_name="+", null=True)
    notified_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "user"], name="reading_of_person", condition=Q(user__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["version", "department"], name="reading_of_system", condition=Q(user__isnull=True)
            ),
        ]
        indexes = [
            models.Index(
                fields=["user"],
                name="reading_to_tell",
                condition=Q(correction__isnull=False, acknowledged_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"version {self.version_id} read at {self.read_at}"
