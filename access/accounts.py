"""How people get in and out: accounts are made by an administrator, every login and logout is in the access log."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from access import identity_provider, lockout, login_log, secrets
from access.credentials import client_address
from access.models import User

QUIET_MESSAGES = ("account/messages/logged_in.txt", "account/messages/logged_out.txt")


class ClosedAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by an administrator or an identity provider; the access log knows of each attempt."""

    def is_open_for_signup(self, request: Any) -> bool:
        """Refuse self-registration."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address as trusted proxies saw it."""
        return client_address(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse addresses that fail very often; a limit by user name alone would lock out the person."""
        if lockout.is_address_locked(client_address(request)):
            lockout.answer_locked_out(request)
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Record the attempt."""
        name = str(credentials.get("username", ""))
        user = User.objects.filter(username__iexact=name).first() if name.isprintable() else None
        login_log.record_failure(request, user, "password")

    def login(self, request: HttpRequest, user: User) -> None:
        """Log in."""
        super().login(request, user)
        login_log.record_login(request, user)

    def post_login(
        self, request: HttpRequest, user: User, *, signal_kwargs: dict[str, Any] | None, **kwargs: Any
    ) -> HttpResponse:
        """Take over what the identity provider says, if the person came from there."""
        sociallogin = (signal_kwargs or {}).get("sociallogin")
        if sociallogin is not None:
            identity_provider.enter(request, user, sociallogin)
        response: HttpResponse = super().post_login(request, user, signal_kwargs=signal_kwargs, **kwargs)
        return response

    def logout(self, request: HttpRequest) -> None:
        """End the session."""
        login_log.record_logout(request)
        super().logout(request)

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """List how a person may confirm who they are; not by a password where none is taken."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        return [way for way in methods if settings.PASSWORD_LOGIN or way["id"] != "reauthenticate"]

    def is_reauthentication_required(self, *, app: str) -> bool:
        """Ask for it only of those who can: the first second factor is added after the provider's login alone."""
        required: bool = super().is_reauthentication_required(app=app)
        return required and bool(self.get_reauthentication_methods(self.request.user))

    def set_password(self, user: User, password: str) -> None:
        """Set a password of the person's own: no longer one that the system has printed."""
        user.password_is_initial = False
        super().set_password(user, password)

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Leave out what every page shows anyway: that one is logged in."""
        if message_template not in QUIET_MESSAGES:
            super().add_message(request, level, message_template, *args, **kwargs)


class SealedMfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets of authenticators are encrypted in their rows."""

    def encrypt(self, text: str) -> str:
        """Encrypt a secret."""
        return secrets.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Decrypt a secret."""
        return secrets.unseal(encrypted_text)

    def get_totp_label(self, user: User) -> str:
        """Name the account in the authenticator app."""
        return user.username
