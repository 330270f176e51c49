"""Settings common to every profile. Everything an operator sets comes from the environment."""

import os
import socket
from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from deploy.settings.identity_provider import PROVIDER_ID, describe_provider

PROJECT = Path(__file__).resolve().parents[2]
SAMSYN_HOME = Path(os.environ.get("SAMSYN_HOME", PROJECT / "var")).resolve()
OBJECTS_ROOT = SAMSYN_HOME / "objects"
SPOOL_ROOT = SAMSYN_HOME / "spool"

DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ROOT_URLCONF = "deploy.urls"
WSGI_APPLICATION = "deploy.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "access.User"
SITE_ID = 1

INSTALLED_APPS = [
    "deploy.admin_app.AdministrationConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "axes",
    "guardian",
    "rest_framework",
    "access",
    "registry",
    "repository",
    "frontend",
    "deploy",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "deploy.cross_origin.allow_configured_origins",
    "deploy.middleware.answer_api_requests",
    "deploy.unrecorded.refuse_unrecorded",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PROJECT / "frontend" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "frontend.context.shell",
            ],
        },
    },
]

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_ADAPTER = "access.accounts.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# "login_failed" is about second factors. Of passwords axes decides: it locks out nobody everywhere.
ACCOUNT_RATE_LIMITS = {"login": "120/m/ip", "login_failed": "10/5m/key"}
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"

# People come from the identity provider, where there is one, and then no password opens anything.
SOCIALACCOUNT_PROVIDERS = describe_provider(os.environ)
PASSWORD_LOGIN = not SOCIALACCOUNT_PROVIDERS
if not PASSWORD_LOGIN:
    AUTHENTICATION_BACKENDS = [
        "axes.backends.AxesStandaloneBackend",
        "access.identity_provider.NoPasswordBackend",
        "guardian.backends.ObjectPermissionBackend",
    ]
SOCIALACCOUNT_ADAPTER = "access.identity_provider.HsaIdAdapter"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
# By a link, because form-action would have to name every host that the provider leads to.
SOCIALACCOUNT_LOGIN_ON_GET = True
OIDC_PROVIDER_ID = PROVIDER_ID
# Values of acr with which the provider says that two factors were shown; needs auth_time in its answer.
OIDC_STRONG_ACR = frozenset(os.environ.get("SAMSYN_OIDC_STRONG_ACR", "").split())

MFA_ADAPTER = "access.accounts.SealedMfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = PASSWORD_LOGIN
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_RATE_LIMITS = {"webauthn_login": "120/m/ip"}  # a hospital may come from one address
MFA_TOTP_ISSUER = "Samsyn"
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
# A second factor of the last five minutes for emergency opening, lifting a block, export and administration.
STEP_UP = os.environ.get("SAMSYN_STEP_UP", "on") == "on"
ADMIN_NEEDS_SECOND_FACTOR = True

LOCKOUT_MINUTES = 15
LOCKOUT_FAILURES_OF_ADDRESS = int(os.environ.get("SAMSYN_LOCKOUT_FAILURES_OF_ADDRESS", "200"))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=LOCKOUT_MINUTES)
AXES_CLIENT_IP_CALLABLE = "access.credentials.client_address"
AXES_USERNAME_CALLABLE = "access.lockout.read_name"
AXES_LOCKOUT_TEMPLATE = "429.html"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

SESSION_COOKIE_AGE = int(float(os.environ.get("SAMSYN_SESSION_HOURS", "12")) * 3600)
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, "'wasm-unsafe-eval'"],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "worker-src": [SELF, "blob:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "frame-ancestors": [SELF],
        "form-action": [SELF],
    },
}

_FORBIDDEN = ("camera", "microphone", "geolocation", "payment", "usb", "display-capture", "browsing-topics")
_OUR_OWN = ("fullscreen", "publickey-credentials-get", "publickey-credentials-create", "clipboard-write")
PERMISSIONS_POLICY: dict[str, str | list[str]] = {
    **{feature: [] for feature in _FORBIDDEN},
    **dict.fromkeys(_OUR_OWN, "self"),
}

LANGUAGE_CODE = "sv"
LANGUAGES = [("sv", _("Swedish")), ("en", _("English"))]
LOCALE_PATHS = [PROJECT / "frontend" / "locale"]
TIME_ZONE = "Europe/Stockholm"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = SAMSYN_HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["access.rest.ActorAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["access.rest.DeclaredPermission"],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
}

# The base of every URL in an answer; empty means the address under which the request came, if that
# host is allowed. Set it whenever a proxy stands in front.
PUBLIC_BASE_URL = os.environ.get("SAMSYN_PUBLIC_BASE_URL", "").rstrip("/")
MADO_CODES = os.environ.get(
    "SAMSYN_MADO_CODES", "temporary"
)  # or "permanent": which MADO manifests are written with
# Addresses and networks of proxies whose Forwarded and X-Forwarded-Proto, -Host and -Prefix are believed.
TRUSTED_PROXIES = tuple(p for p in os.environ.get("SAMSYN_TRUSTED_PROXIES", "").split(",") if p)
# BulkDataURIs in metadata without scheme and host, for clients that resolve them against the server.
RELATIVE_BULK_DATA_URIS = os.environ.get("SAMSYN_BULK_DATA_URIS", "absolute") == "relative"
# Origins of viewers whose scripts may call the APIs, such as https://viewer.example.org.
CORS_ORIGINS = frozenset(o for o in os.environ.get("SAMSYN_CORS_ORIGINS", "").split(",") if o)
# What the proxy in front writes into X-Proxy-Secret; only with it are its client certificates believed.
PROXY_SECRET = os.environ.get("SAMSYN_PROXY_SECRET", "")
# Key addresses of token issuers and identity providers on loopback and private networks.
ALLOW_PRIVATE_ISSUERS = os.environ.get("SAMSYN_ALLOW_PRIVATE_ISSUERS", "off") == "on"
# The longest life that a signed token may have, however it was issued.
TOKEN_MAX_LIFETIME_S = float(os.environ.get("SAMSYN_TOKEN_MAX_LIFETIME_S", "600"))
# How identity providers and token issuers call the person's HSA-id and the commission under which they work.
PERSON_CLAIM = os.environ.get("SAMSYN_PERSON_CLAIM", "employeeHsaId")
COMMISSION_CLAIM = os.environ.get("SAMSYN_COMMISSION_CLAIM", "commissionHsaId")
# Pictures and converted frames that are kept to be sent again, on the disk of spool/; 0 keeps none.
RENDITION_CACHE_BYTES = int(os.environ.get("SAMSYN_RENDITION_CACHE_MIB", "512")) << 20
# Where the law leaves room. A patient who opted out of sharing is open to the other units of the provider:
OPT_OUT_SPARES_PROVIDER = os.environ.get("SAMSYN_OPT_OUT_SPARES_PROVIDER", "on") == "on"
# and data of another unit of the same provider are read after choosing to, for each patient and unit.
CHOICE_BETWEEN_UNITS = os.environ.get("SAMSYN_CHOICE_BETWEEN_UNITS", "on") == "on"
# How long a person's declaration to take part in a patient's care holds, and a choice of another unit's data;
DECLARED_RELATION_HOURS = float(os.environ.get("SAMSYN_DECLARED_RELATION_HOURS", "24"))
CHOICE_HOURS = float(os.environ.get("SAMSYN_CHOICE_HOURS", "24"))
# how long a unit that examined a patient takes part in the care;
EXAMINATION_RELATION_DAYS = float(os.environ.get("SAMSYN_EXAMINATION_RELATION_DAYS", "365"))
# how long an emergency opening lasts unless the person chooses: 1, 2, 4 or 8 hours.
EMERGENCY_HOURS = int(os.environ.get("SAMSYN_EMERGENCY_HOURS", "4"))
# How long a head of unit has for the monthly review of the unit's access log.
LOG_REVIEW_DUE_DAYS = float(os.environ.get("SAMSYN_LOG_REVIEW_DUE_DAYS", "30"))
# Mail to heads of unit about emergency openings: sent when there is a sender.
NOTICE_MAIL_FROM = os.environ.get("SAMSYN_NOTICE_MAIL_FROM", "")
EMAIL_HOST = os.environ.get("SAMSYN_EMAIL_HOST", "localhost")
EMAIL_PORT = int(os.environ.get("SAMSYN_EMAIL_PORT", "25"))
EMAIL_USE_TLS = os.environ.get("SAMSYN_EMAIL_TLS", "off") == "on"
EMAIL_TIMEOUT = 10
# A region's or the national service for blocks and consents: its address, a bearer token for it, and how long a
# patient's answer is kept. Without an address the registry's own rows are all there is.
BLOCK_SERVICE_URL = os.environ.get("SAMSYN_BLOCK_SERVICE_URL", "").rstrip("/")
BLOCK_SERVICE_TOKEN = os.environ.get("SAMSYN_BLOCK_SERVICE_TOKEN", "")
BLOCK_SERVICE_TIMEOUT_S = float(os.environ.get("SAMSYN_BLOCK_SERVICE_TIMEOUT_S", "1"))
BLOCK_SERVICE_CACHE_S = float(os.environ.get("SAMSYN_BLOCK_SERVICE_CACHE_S", "30"))
SEARCH_TIMEOUT_S = float(os.environ.get("SAMSYN_SEARCH_TIMEOUT_S", "10"))
QUIET_S = float(os.environ.get("SAMSYN_QUIET_S", "5"))
DIMSE_AE_TITLE = os.environ.get("SAMSYN_DIMSE_AE_TITLE", "SAMSYN")
# What C-STORE over TLS trusts, and the certificate it shows; empty: the system's authorities, and none.
DIMSE_TLS_CA = os.environ.get("SAMSYN_DIMSE_TLS_CA", "")
DIMSE_TLS_CERTIFICATE = os.environ.get("SAMSYN_DIMSE_TLS_CERTIFICATE", "")
DIMSE_TLS_KEY = os.environ.get("SAMSYN_DIMSE_TLS_KEY", "")
# Folders below which destinations may have files written, separated as in PATH; none unless named.
EXPORT_FOLDERS = [
    folder for folder in os.environ.get("SAMSYN_EXPORT_FOLDERS", "").split(os.pathsep) if folder
]
# The S3 service of buckets whose address names none.
S3_ENDPOINT = os.environ.get("SAMSYN_S3_ENDPOINT", "")
S3_REGION = os.environ.get("SAMSYN_S3_REGION", "")
# The bucket that packs lie in, s3://bucket/prefix, instead of OBJECTS_ROOT; and who asks it, ACCESS_KEY:SECRET.
OBJECTS_BUCKET = os.environ.get("SAMSYN_OBJECTS", "")
S3_KEY = os.environ.get("SAMSYN_S3_KEY", "")
# A longer list ends with a failure that says to narrow the search: C-FIND has no pages.
DIMSE_FIND_LIMIT = int(os.environ.get("SAMSYN_DIMSE_FIND_LIMIT", "2000"))
# How long what was deleted or rejected can be restored; then its bytes are erased.
REMOVAL_RETENTION_DAYS = float(os.environ.get("SAMSYN_REMOVAL_RETENTION_DAYS", "30"))
# How long the result of a storage commitment can be asked for.
COMMITMENT_RETENTION_DAYS = float(os.environ.get("SAMSYN_COMMITMENT_RETENTION_DAYS", "30"))
# How long a delivery stays with a worker that gives no sign of life.
DELIVERY_LEASE_S = float(os.environ.get("SAMSYN_DELIVERY_LEASE_S", "60"))
# Receivers on loopback and private networks; on by default in the embedded profile only.
ALLOW_PRIVATE_DESTINATIONS = os.environ.get("SAMSYN_ALLOW_PRIVATE_DESTINATIONS", "off") == "on"
# Whether departments' coercion rules are applied to what they store; see docs/storing.md.
COERCE_ON_STORE = os.environ.get("SAMSYN_COERCE_ON_STORE", "off") == "on"
MAX_UPLOADS = 16
MAX_DOWNLOADS = 24
MAX_TRANSFERS_PER_CLIENT = 4
MAX_INSTANCE_BYTES = int(os.environ.get("SAMSYN_MAX_INSTANCE_BYTES", str(4 << 30)))

# The access log. The key that signs its seals is read by the duties only; without one nothing is sealed.
AUDIT_KEY_FILE = os.environ.get("SAMSYN_AUDIT_KEY_FILE", "")
# The public keys that seals are verified with, and the seals once more: files that only grow.
AUDIT_PUBLIC_KEYS_FILE = os.environ.get(
    "SAMSYN_AUDIT_PUBLIC_KEYS_FILE", str(SAMSYN_HOME / "audit" / "seal.pub")
)
AUDIT_ROOTS_FILE = os.environ.get("SAMSYN_AUDIT_ROOTS_FILE", str(SAMSYN_HOME / "audit" / "roots.jsonl"))
# Where an emergency is recorded while the database does not take the row; a disk that survives a restart.
AUDIT_SPOOL_ROOT = os.environ.get("SAMSYN_AUDIT_SPOOL_ROOT", str(SAMSYN_HOME / "audit" / "spool"))
# How this system names itself in audit messages: AuditSourceID, AuditEnterpriseSiteID, and HOSTNAME of syslog.
AUDIT_SOURCE_ID = os.environ.get("SAMSYN_AUDIT_SOURCE_ID") or PUBLIC_BASE_URL or "samsyn"
AUDIT_SITE_ID = os.environ.get("SAMSYN_AUDIT_SITE_ID", "")
AUDIT_HOST_NAME = os.environ.get("SAMSYN_AUDIT_HOST_NAME") or socket.gethostname()
# The audit record repository that gets every event, by syslog over TLS; none if no host is named.
SYSLOG_HOST = os.environ.get("SAMSYN_SYSLOG_HOST", "")
SYSLOG_PORT = int(os.environ.get("SAMSYN_SYSLOG_PORT", "6514"))
SYSLOG_CA_FILE = os.environ.get("SAMSYN_SYSLOG_CA_FILE", "")
SYSLOG_CERTIFICATE_FILE = os.environ.get("SAMSYN_SYSLOG_CERTIFICATE_FILE", "")
SYSLOG_KEY_FILE = os.environ.get("SAMSYN_SYSLOG_KEY_FILE", "")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # What goes wrong with an association we say ourselves, with the delivery or the caller; once is enough.
    "loggers": {"pynetdicom": {"level": "CRITICAL"}},
}
