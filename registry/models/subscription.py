"""What a department wants, and where its system listens."""

from django.db import models

from access.models import Department


class Destination(models.Model):
    """Where a department's system listens; the beginning of its address says how it is spoken to.

    `https://` or `http://`: STOW-RS, with a token. `dicom://host:port` or with TLS `dicoms://host:port`: C-STORE to
    `called_ae_title`. `mllp://host:port` or `mllps://`: HL7 v2. `fhir+https://` or `fhir+http://`: FHIR notification.
    `file:///folder`: files below a folder that the installation allows; `s3://bucket/prefix`: objects. `worklist:`:
    the department's list in the portal.

    With an open breaker nothing is sent; a probe closes it when the system answers again. Held by an operator or in
    maintenance its deliveries keep their places.

    `windows` is a list of `{"days": [0..6], "from": "18:00", "to": "06:00", "max_parallel": n, "max_mbit": x}` in local
    time, Monday 0: inside one, its limits hold instead of the destination's; 0 in parallel sends nothing.
    """

    CLOSED = "closed"
    OPEN = "open"

    department = models.ForeignKey(Department, models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    url = models.CharField(
        max_length=400,
        help_text="STOW-RS address ending in /studies, dicom://host:port, mllp://host:port ...",
    )
    called_ae_title = models.CharField(max_length=16, blank=True, help_text="Of a system that speaks DIMSE")
    token_sealed = models.TextField(blank=True, help_text="Bearer token, encrypted")
    client_certificate_sealed = models.TextField(
        blank=True, help_text="Certificate and key in PEM, encrypted"
    )
    trusted_certificates = models.TextField(blank=True, help_text="PEM; empty: the system's authorities")

    max_parallel = models.PositiveSmallIntegerField(default=2)
    max_mbit = models.FloatField(null=True, help_text="Megabit a second; empty for no limit")
    windows = models.JSONField(default=list, blank=True)
    transfer_syntaxes = models.JSONField(default=list, blank=True, help_text="UIDs, the most wanted first")
    max_instance_bytes = models.PositiveBigIntegerField(null=True)
    verify = models.CharField(
        max_length=20, default="none", help_text="none, qido-count or storage-commitment"
    )

    translates = models.BooleanField(
        default=False, help_text="Patient, accession and procedure in its own numbers"
    )
    patient_issuer = models.CharField(max_length=64, blank=True, help_text="Issuer of its patient numbers")
    accession_issuer = models.CharField(max_length=64, blank=True)
    procedure_codes = models.JSONField(
        default=dict, blank=True, help_text="Regional code: [code, scheme, meaning] of the receiver"
    )
    receiving_application = models.CharField(max_length=180, blank=True, help_text="MSH-5 of HL7 v2")
    receiving_facility = models.CharField(max_length=180, blank=True, help_text="MSH-6 of HL7 v2")
    character_set = models.CharField(max_length=20, default="UNICODE UTF-8", help_text="MSH-18 of HL7 v2")
    processes_rejection = models.BooleanField(
        default=True, help_text="Acts on rejection notes (IOCM); otherwise a person is asked to remove"
    )
    corrected_through = models.CharField(
        max_length=100,
        blank=True,
        help_text="Name of the department's HL7 v2 destination that tells it of merged patients (IHE RAD-12)",
    )

    installation = models.CharField(
        max_length=32,
        blank=True,
        help_text="Name of the installation there, once it has refused what came from it",
    )

    active = models.BooleanField(default=True)
    held_reason = models.CharField(max_length=200, blank=True, help_text="Held by an operator, who says why")
    held_by = models.CharField(max_length=200, blank=True)
    maintenance_until = models.DateTimeField(null=True)
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


class DestinationBucket(models.Model):
    """What all workers share about a destination: how many bytes may leave just now, and whose turn it is.

    `turns` counts by key of a subscription what went of it, divided by its weight; who has the least is next.
    """

    destination = models.OneToOneField(Destination, models.CASCADE, related_name="bucket", primary_key=True)
    level_bytes = models.FloatField(default=0.0)
    filled_at = models.DateTimeField(null=True)
    turns = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"bucket of destination {self.destination_id}"


class Subscription(models.Model):
    """A department's standing wish: what of which studies, to that destination, from which state on.

    `filter` is a tree of tests as `registry.wishes.filter` reads it; empty takes all. `wants` names kinds of content:
    `images`, `sr`, `key_images`, `priors`, `request`, `report`. `from_state` is the state of a study from which on it
    is sent: `in_progress`, `complete` or `verified`. `window` is a list as a destination's, without limits; empty is
    always.
    """

    department = models.ForeignKey(Department, models.CASCADE, related_name="+")
    destination = models.ForeignKey(Destination, models.CASCADE, related_name="subscriptions")
    name = models.CharField(max_length=100, blank=True)
    filter = models.JSONField(default=dict, blank=True)
    wants = models.JSONField(default=list, blank=True, help_text="Empty: images, sr and key_images")
    from_state = models.CharField(max_length=12, default="complete")
    priority = models.CharField(max_length=8, default="normal")
    weight = models.PositiveSmallIntegerField(default=1, help_text="Share of a destination beside others")
    window = models.JSONField(default=list, blank=True)
    max_priors = models.PositiveSmallIntegerField(default=3)
    max_prior_years = models.PositiveSmallIntegerField(default=10)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=200, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.name or f"subscription {self.pk} to {self.destination}"
