"""Django application of the package."""

from django.apps import AppConfig


class RepositoryConfig(AppConfig):
    """The `repository` package as a Django application."""

    name = "repository"
    default_auto_field = "django.db.models.BigAutoField"
