"""Secrets in rows, encrypted with a key that only the environment holds."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

_PURPOSE = b"samsyn secrets in rows 1:"


class UnreadableSecret(ValueError):
    """The sealed text was made with another key, or is damaged: enter the secret again."""


def seal(text: str) -> str:
    """Encrypt and authenticate a secret; the empty text stays empty."""
    return _box().encrypt(text.encode()).decode("ascii") if text else ""


def unseal(sealed: str) -> str:
    """Return the secret that `seal` was given; keys in SECRET_KEY_FALLBACKS still open.

    Raises
    ------
    UnreadableSecret
        No key at hand fits.
    """
    if not sealed:
        return ""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise UnreadableSecret("a secret was sealed with another key: enter it again") from error


def _box() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derive(str(key))) for key in keys])


def _derive(secret_key: str) -> bytes:
    # The key is random already; the hash gives it Fernet's size and keeps it apart from Django's other uses.
    return base64.urlsafe_b64encode(hashlib.sha256(_PURPOSE + secret_key.encode()).digest())
