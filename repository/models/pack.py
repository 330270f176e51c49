"""The row that decides between a store and a sweep."""

from django.db import models


class Pack(models.Model):
    """One pack key. A store inserts `live`, a sweep inserts `condemned`: the primary key lets one win."""

    LIVE = "live"
    CONDEMNED = "condemned"
    GONE = "gone"

    key = models.CharField(max_length=80, primary_key=True)
    state = models.CharField(max_length=10)
    size_bytes = models.BigIntegerField(default=0)
    study_instance_uid = models.CharField(max_length=64, blank=True)
    written_at = models.DateTimeField()
    condemned_at = models.DateTimeField(null=True)
    last_scrubbed_at = models.DateTimeField(
        null=True, help_text="When all of it was last held against its sums"
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["condemned_at"], name="pack_condemned", condition=models.Q(state="condemned")
            ),
            models.Index(
                fields=["last_scrubbed_at", "key"], name="pack_to_scrub", condition=models.Q(state="live")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} {self.state}"
