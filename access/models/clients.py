"""Systems that call the API, and their tokens."""

from django.db import models

from access.models.organisation import Department


class ApiClient(models.Model):
    """A system bound to one department, or region-wide for acceptance and migration tools."""

    name = models.CharField(max_length=100, unique=True)
    department = models.ForeignKey(Department, models.PROTECT, null=True, blank=True, related_name="clients")
    region_wide = models.BooleanField(default=False)
    active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(region_wide=True) | models.Q(department__isnull=False),
                name="client_has_department_or_region",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ClientToken(models.Model):
    """A bearer token: only the SHA-256 of it is kept."""

    client = models.ForeignKey(ApiClient, models.CASCADE, related_name="tokens")
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.CharField(max_length=200, help_text="Words with spaces between: store read delete")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"token {self.pk} of {self.client}"
