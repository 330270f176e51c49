"""Django application of the package."""

from django.apps import AppConfig


class DeployConfig(AppConfig):
    """The `deploy` package as a Django application."""

    name = "deploy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks of what is configured in files."""
        from deploy import affinity_check  # noqa: F401 (needs the applications)
