"""What the upkeep of packs remembers: damage that was found, who compacts which study, where the journal is."""

from django.db import models

from registry.models import Study


class Damage(models.Model):
    """One damaged instance, or a pack of which not even that can be said (`sop_instance_uid` empty)."""

    pack_key = models.CharField(max_length=80)
    sop_instance_uid = models.CharField(max_length=64, blank=True)
    study_instance_uid = models.CharField(max_length=64, blank=True)
    detail = models.CharField(max_length=300)
    found_at = models.DateTimeField()
    mended_at = models.DateTimeField(null=True, help_text="When a scrub found it whole again, or gone")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pack_key", "sop_instance_uid"], name="damage_once"),
        ]

    def __str__(self) -> str:
        return f"damage in {self.pack_key}"


class StudyLease(models.Model):
    """Who compacts a study; a lease that ran out may be taken over."""

    study = models.OneToOneField(Study, models.CASCADE, primary_key=True, related_name="+")
    token = models.CharField(max_length=32)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"lease on study {self.study_id}"


class JournalHead(models.Model):
    """The last file of the journal, one row: what the next file continues."""

    sequence = models.PositiveBigIntegerField()
    key = models.CharField(max_length=80)
    sha256 = models.CharField(max_length=64)
    organisation_sha256 = models.CharField(max_length=64, help_text="Of the organisation as last written")
    written_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"journal at {self.sequence}"
