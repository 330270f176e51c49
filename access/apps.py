"""Django application of the package."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """The `access` package as a Django application."""

    name = "access"
    default_auto_field = "django.db.models.BigAutoField"
