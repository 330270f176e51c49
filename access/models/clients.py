"""Systems that call the API, and their tokens."""

from django.db import models

from access.models.organisation import Department


class ApiClient(models.Model):
    """A system bound to one department, or region-wide for acceptance and migration tools."""

    REFUSE, KEEP_FIRST = "refuse", "keep_first"

    name = models.CharField(max_length=100, unique=True)
    department = models.ForeignKey(Department, models.PROTECT, null=True, blank=True, related_name="clients")
    region_wide = models.BooleanField(default=False)
    active = models.BooleanField(default=True)
    on_conflict = models.CharField(
        max_length=10,
        default=REFUSE,
        choices=[(REFUSE, "Refuse the instance"), (KEEP_FIRST, "Keep the first, with a warning")],
        help_text="What is answered when the client stores other bytes under a SOP Instance UID that is there",
    )
    token_issuer = models.ForeignKey(
        "access.TokenIssuer", models.PROTECT, null=True, blank=True, related_name="clients"
    )
    token_subject = models.CharField(
        max_length=200, blank=True, help_text="The client's name (client_id) in tokens of that issuer"
    )
    may_act_for_users = models.BooleanField(
        default=False, help_text="Tokens may name the person on whose behalf the client asks"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(region_wide=True) | models.Q(department__isnull=False),
                name="client_has_department_or_region",
            ),
            models.UniqueConstraint(
                fields=["token_issuer", "token_subject"],
                condition=~models.Q(token_subject=""),
                name="client_of_token_once",
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


class ClientCertificate(models.Model):
    """A certificate by which a client is known behind the proxy: the SHA-256 of its DER bytes."""

    client = models.ForeignKey(ApiClient, models.CASCADE, related_name="certificates")
    sha256 = models.CharField(max_length=64, unique=True, help_text="Hexadecimal, without colons")
    subject = models.CharField(max_length=400, blank=True)
    scopes = models.CharField(max_length=200, default="read", help_text="Words with spaces between")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"certificate {self.pk} of {self.client}"


class TokenIssuer(models.Model):
    """Who may issue signed tokens (JWT) to clients, and how such a token is checked."""

    name = models.CharField(max_length=100)
    issuer = models.CharField(
        max_length=400, unique=True, help_text="The `iss` of its tokens, compared as it stands"
    )
    audience = models.CharField(max_length=400, help_text="The `aud` that names this service")
    jwks_url = models.URLField(max_length=400, blank=True)
    jwks = models.JSONField(null=True, blank=True, help_text="Keys given by hand instead of an address")
    algorithms = models.CharField(max_length=100, default="RS256 PS256 ES256")
    active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


class RevokedToken(models.Model):
    """A signed token that is refused before it expires."""

    issuer = models.ForeignKey(TokenIssuer, models.CASCADE, related_name="revoked")
    jti = models.CharField(max_length=200)
    revoked_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(help_text="When the token would have expired; the row can go then")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["issuer", "jti"], name="revoked_token_once")]

    def __str__(self) -> str:
        return f"revoked token {self.pk} of {self.issuer}"


class ApplicationEntity(models.Model):
    """A DICOM system by its AE title: which client it is, what it may, and where it listens for C-STORE.

    Its title is all that DIMSE itself says of who calls: `addresses` and TLS tell more.
    """

    title = models.CharField(max_length=16, unique=True)
    client = models.ForeignKey(ApiClient, models.CASCADE, related_name="application_entities")
    scopes = models.CharField(max_length=200, default="read", help_text="Words with spaces between")
    addresses = models.CharField(
        max_length=400, blank=True, help_text="Networks it may call from, spaces between; empty for any"
    )
    host = models.CharField(max_length=255, blank=True, help_text="Where it listens")
    port = models.PositiveIntegerField(null=True, blank=True)
    uses_tls = models.BooleanField(default=False, help_text="What is sent to it goes over TLS")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.title
