"""Django application of the package."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """The `access` package as a Django application."""

    name = "access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Let the access log know of second factors that were wrong: allauth tells it by a signal alone."""
        from allauth.mfa.signals import authentication_failed

        from access.login_log import record_failed_second_factor

        authentication_failed.connect(record_failed_second_factor, dispatch_uid="access.login_log")
