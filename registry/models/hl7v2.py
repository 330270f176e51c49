"""Who sends HL7 v2 messages, and what came."""

from django.db import models

from access.models import Department


class Hl7Source(models.Model):
    """A sending system by MSH-3 and MSH-4: whose it is, and what its numbers mean where it names no issuer."""

    sending_application = models.CharField(max_length=227)
    sending_facility = models.CharField(max_length=227, blank=True)
    department = models.ForeignKey(Department, models.PROTECT, related_name="+")
    accession_issuer = models.CharField(max_length=64, blank=True)
    placer_issuer = models.CharField(max_length=64, blank=True)
    encounter_issuer = models.CharField(max_length=64, blank=True)
    report_issuer = models.CharField(max_length=64, blank=True)
    accession_field = models.CharField(
        max_length=8,
        blank=True,
        help_text="Where the accession number stands: IPC-1, OBR-18, OBR-20, ORC-3 or OBR-3. Empty: the first of"
        " IPC-1, OBR-18, ORC-3, OBR-3 that holds something",
    )
    character_set = models.CharField(max_length=20, default="UTF-8", help_text="Where MSH-18 is empty")
    verifies_by_report = models.BooleanField(
        default=True, help_text="A final report is what makes a study verified"
    )
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["sending_application", "sending_facility"], name="hl7_source_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.sending_application}|{self.sending_facility}"


class ReceivedMessage(models.Model):
    """One message and what was answered: the same control id with the same content gets the same answer.

    `body` is kept of what could not be taken, for the person who looks after it.
    """

    sender = models.CharField(max_length=460, help_text="MSH-3|MSH-4")
    control_id = models.CharField(max_length=199)
    message_type = models.CharField(max_length=20)
    digest = models.BinaryField(max_length=32)
    received_at = models.DateTimeField(db_index=True)
    acknowledgment_code = models.CharField(max_length=2)
    answer = models.TextField()
    body = models.BinaryField(null=True)
    handled_at = models.DateTimeField(null=True, help_text="When somebody has looked at a refused one")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sender", "control_id"], name="message_once")]

    def __str__(self) -> str:
        return f"{self.message_type} {self.control_id} of {self.sender}"
