"""Through which other installations a study came to this one."""

from django.db import models

from registry.models.imaging import Study


class Hop(models.Model):
    """A study, or a part of it, passed an installation before it was stored here; it is not sent back there."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="hops", db_index=False)
    installation = models.CharField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "installation"], name="hop_once")]

    def __str__(self) -> str:
        return f"study {self.study_id} through {self.installation}"
