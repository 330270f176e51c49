"""The key that signs seals, which only the sealing process reads, and the keys that verify them."""

import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)


class UnusableSealingKey(ValueError):
    """The key file is missing, open to others or holds no Ed25519 key; the message says which and what to do."""


def read_signing_key() -> Ed25519PrivateKey | None:
    """Return the key that signs, None where none is configured; the embedded profile makes one.

    The public key is added to the file of keys that verify.

    Raises
    ------
    UnusableSealingKey
        A key file is configured and cannot be used.
    """
    if not settings.AUDIT_KEY_FILE:
        return None
    path = Path(settings.AUDIT_KEY_FILE)
    if not path.exists() and settings.PROFILE == "embedded":
        _make_key(path)
    key = _load(path)
    _publish(key.public_key())
    return key


def read_public_keys(path: Path | str | None = None) -> list[Ed25519PublicKey]:
    """Return the keys that verify seals: the one in use, and those that were used before it.

    Raises
    ------
    UnusableSealingKey
        There is no such file, or no key in it.
    """
    path = Path(path or settings.AUDIT_PUBLIC_KEYS_FILE)
    try:
        found = _PEM.findall(path.read_bytes())
        keys = [serialization.load_pem_public_key(pem) for pem in found]
    except (OSError, ValueError) as error:
        raise UnusableSealingKey(f"{path} cannot be read as public keys: {error}") from error
    ours = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not ours:
        raise UnusableSealingKey(f"{path} holds no Ed25519 public key in PEM")
    return ours


def is_signed(keys: list[Ed25519PublicKey], signature: bytes, message: bytes) -> bool:
    """Tell whether one of the keys signed the message."""
    for key in keys:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            continue
        return True
    return False


def _load(path: Path) -> Ed25519PrivateKey:
    try:
        mode = path.stat().st_mode & 0o777
        content = path.read_bytes()
    except OSError as error:
        raise UnusableSealingKey(
            f"{path} cannot be read: {error.strerror}. Make it with: openssl genpkey -algorithm ed25519 -out {path}"
        ) from error
    if mode & 0o077:
        raise UnusableSealingKey(f"{path} is open to others (mode {mode:04o}): chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError) as error:
        raise UnusableSealingKey(f"{path} holds no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableSealingKey(f"{path} holds another kind of key than Ed25519")
    return key


def _make_key(path: Path) -> None:
    """Make a key once: of several processes that start together the first to link the file wins."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mine = path.with_name(f".{path.name}.{os.getpid()}")
    mine.touch(mode=0o600)
    mine.write_bytes(pem)
    try:
        os.link(mine, path)
    except FileExistsError:
        pass
    finally:
        mine.unlink()


def _publish(key: Ed25519PublicKey) -> None:
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path = Path(settings.AUDIT_PUBLIC_KEYS_FILE)
    if path.exists() and pem in path.read_bytes():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("ab") as file:
        file.write(pem)
