"""One machine, one command: SQLite, a directory, local accounts, loopback."""

import os

from deploy.settings.base import *  # noqa: F403
from deploy.settings.base import EXPORT_FOLDERS as STATED_FOLDERS
from deploy.settings.base import SAMSYN_HOME
from deploy.settings.databases import sqlite
from deploy.settings.secret import read_or_make_secret_key

PROFILE = "embedded"
SECRET_KEY = os.environ.get("SAMSYN_SECRET_KEY") or read_or_make_secret_key(SAMSYN_HOME / "secret.key")
DATABASES = {"default": sqlite(SAMSYN_HOME / "samsyn.sqlite3")}
# In files, because the web workers are several: a code is good once, whichever of them takes it.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(SAMSYN_HOME / "run" / "cache"),
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
CELERY_BROKER_URL = ""
EXPORT_FOLDERS = STATED_FOLDERS or [str(SAMSYN_HOME / "export")]
ALLOW_PRIVATE_DESTINATIONS = os.environ.get("SAMSYN_ALLOW_PRIVATE_DESTINATIONS", "on") == "on"
AUDIT_KEY_FILE = os.environ.get("SAMSYN_AUDIT_KEY_FILE", str(SAMSYN_HOME / "audit" / "seal.key"))
ALLOW_PRIVATE_ISSUERS = os.environ.get("SAMSYN_ALLOW_PRIVATE_ISSUERS", "on") == "on"
# Passkeys over http://localhost, which browsers take for a secure place.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
STEP_UP = os.environ.get("SAMSYN_STEP_UP", "off") == "on"
ADMIN_NEEDS_SECOND_FACTOR = STEP_UP
