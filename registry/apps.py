"""Django application of the package."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """The `registry` package as a Django application."""

    name = "registry"
    default_auto_field = "django.db.models.BigAutoField"
