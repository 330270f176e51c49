"""The test suite: SQLite in a file, or PostgreSQL when SAMSYN_TEST_POSTGRES gives its address."""

import os
import tempfile
from pathlib import Path

_home = Path(os.environ.setdefault("SAMSYN_HOME", tempfile.mkdtemp(prefix="samsyn-test-")))

from deploy.settings.base import *  # noqa: E402, F403
from deploy.settings.databases import postgresql, sqlite  # noqa: E402

PROFILE = "embedded"
(_home / "static").mkdir(exist_ok=True)
SECRET_KEY = "only for tests"  # noqa: S105
_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
OBJECTS_ROOT = _home / _worker / "objects"  # a journal beside it speaks of one worker's database
if os.environ.get("SAMSYN_TEST_POSTGRES"):
    DATABASES = {"default": postgresql(os.environ["SAMSYN_TEST_POSTGRES"], pool_size=0)}
else:
    DATABASES = {"default": sqlite(_home / _worker / "samsyn.sqlite3")}
    DATABASES["default"]["TEST"] = {"NAME": str(_home / _worker / "test.sqlite3")}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_BROKER_URL = ""
ALLOW_PRIVATE_DESTINATIONS = os.environ.get("SAMSYN_ALLOW_PRIVATE_DESTINATIONS", "on") == "on"
AUDIT_KEY_FILE = ""  # nothing is sealed but where a test says so
ALLOW_PRIVATE_ISSUERS = os.environ.get("SAMSYN_ALLOW_PRIVATE_ISSUERS", "on") == "on"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
STEP_UP = os.environ.get("SAMSYN_STEP_UP", "off") == "on"
ADMIN_NEEDS_SECOND_FACTOR = STEP_UP
