"""Behind nginx: PostgreSQL, Redis, Celery; every secret from the environment."""

import os

from deploy.settings.base import *  # noqa: F403
from deploy.settings.databases import postgresql

PROFILE = "production"
SECRET_KEY = os.environ["SAMSYN_SECRET_KEY"]
DATABASES = {"default": postgresql(os.environ["SAMSYN_DATABASE_URL"])}
REDIS_URL = os.environ["SAMSYN_REDIS_URL"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
CELERY_BROKER_URL = REDIS_URL
SESSION_ENGINE = "django.contrib.sessions.backends.db"
ALLOWED_HOSTS = os.environ.get("SAMSYN_ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("SAMSYN_TRUSTED_ORIGINS", "").split(",") if o]
if os.environ.get("SAMSYN_TLS", "on") == "on":
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    LANGUAGE_COOKIE_SECURE = True
    # Browsers take such cookies over TLS, for this host and the whole of it only: no sister host can plant one.
    SESSION_COOKIE_NAME = "__Host-samsyn-session"
    CSRF_COOKIE_NAME = "__Host-samsyn-csrf"
    SECURE_HSTS_SECONDS = 31536000
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Checks of a deployment that do not hold for us: sister hosts are not ours to bind to TLS (W005, W021), the proxy
# leads from http to https (W008), and pages show documents of our own in frames (W019).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W019", "security.W021"]
