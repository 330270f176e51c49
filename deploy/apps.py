"""Django application of the package."""

from django.apps import AppConfig


class DeployConfig(AppConfig):
    """The `deploy` package as a Django application."""

    name = "deploy"
    default_auto_field = "django.db.models.BigAutoField"
