"""What a department wants, and where its system listens."""

from django.db import models

from access.models import Department


class Destination(models.Model):
    """Where a department's system listens; the beginning of its address says how it is spoken to.

    `https://` or `http://`: STOW-RS, with a token. `dicom://host:port` or with TLS `dicoms://host:port`: C-STORE to
    `called_ae_title`. `file:///folder`: files below a folder that the installation allows.

    With an open breaker nothing is sent; a probe closes it when the system answers again.
    """

    CLOSED = "closed"
    OPEN = "open"

    department = models.ForeignKey(Department, models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    url = models.CharField(
        max_length=400, help_text="STOW-RS address ending in /studies, dicom://host:port or file:///folder"
    )
    called_ae_title = models.CharField(max_length=16, blank=True, help_text="Of a system that speaks DIMSE")
    token_sealed = models.TextField(blank=True, help_text="Bearer token, encrypted")
    max_parallel = models.PositiveSmallIntegerField(default=2)
    active = models.BooleanField(default=True)
    breaker = models.CharField(max_length=6, default=CLOSED)
    consecutive_failures = models.PositiveIntegerField(default=0)
    times_opened = models.PositiveIntegerField(default=0, help_text="Since the last success")
    open_until = models.DateTimeField(
        null=True, help_text="No attempt before this moment; with an open breaker, the next probe"
    )
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["department", "name"], name="destination_once")]

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """A department's standing wish: these modalities, to that destination. No modality means all."""

    department = models.ForeignKey(Department, models.CASCADE, related_name="+")
    destination = models.ForeignKey(Destination, models.CASCADE, related_name="subscriptions")
    modalities = models.JSONField(default=list)
    priority = models.CharField(max_length=8, default="normal")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{'/'.join(self.modalities) or 'all'} to {self.destination}"
