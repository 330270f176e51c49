"""Requests for storage commitment and what was answered."""

from django.db import models


class Commitment(models.Model):
    """One request of one client: its Transaction UID is unique among that client's, for others it does not exist.

    `references` is a JSON list of [SOP class, SOP instance, study, series] in the order of the request,
    compressed with zstd; `reasons` a list of failure reasons beside it, None for what is committed: final once
    `settled_at` is set, before that None also for what has still to be read.
    """

    subject = models.CharField(max_length=200)
    transaction_uid = models.CharField(max_length=64)
    references = models.BinaryField()
    reasons = models.BinaryField()
    requested_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "transaction_uid"], name="commitment_once"),
        ]
        indexes = [
            models.Index(
                fields=["requested_at"], name="commitment_open", condition=models.Q(settled_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"commitment {self.transaction_uid} of {self.subject}"


class AskedCommitment(models.Model):
    """One request of ours for storage commitment to a system that speaks DIMSE, and what it answered.

    `failed` maps SOP Instance UIDs to failure reasons; it means something once `answered_at` is set.
    """

    transaction_uid = models.CharField(max_length=64, primary_key=True)
    ae_title = models.CharField(max_length=16, help_text="Of the system that was asked: no other may answer")
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    committed = models.JSONField(default=list)
    failed = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"commitment {self.transaction_uid} of {self.ae_title}"
