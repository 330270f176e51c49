"""Django application of the package."""

from django.apps import AppConfig


class FrontendConfig(AppConfig):
    """The `frontend` package as a Django application."""

    name = "frontend"
    default_auto_field = "django.db.models.BigAutoField"
