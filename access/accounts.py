"""How people get accounts: never by signing up themselves."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter


class ClosedAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by an administrator or an identity provider."""

    def is_open_for_signup(self, request: Any) -> bool:
        """Refuse self-registration."""
        return False
