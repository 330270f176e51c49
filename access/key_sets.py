"""The public keys of token issuers: given by hand, or fetched from their address and kept for a while.

A key that is not there makes us ask again, so that an issuer can change its keys; never more than once in
thirty seconds, because anybody can write a key's name into a token.
"""

import json
import logging
import math
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from access.address import ForbiddenAddress, UnknownHost
from access.fetching import UnfetchableDocument, fetch_json
from access.models import TokenIssuer

log = logging.getLogger(__name__)

FRESH_S = 300.0
RETRY_S = 30.0
MIN_RSA_BITS = 2048


class UnknownKey(LookupError):
    """The issuer has no such key, or its keys cannot be had now."""


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: tuple[Key, ...]
    fetched_at: float
    tried_at: float


_kept: dict[str, _Kept] = {}
_lock = threading.Lock()


def find_key(issuer: TokenIssuer, kid: str | None) -> Key:
    """Return the key of that name; without a name the only one there is.

    Raises
    ------
    UnknownKey
        There is none.
    """
    if issuer.jwks is not None:
        return _choose(_read_given(json.dumps(issuer.jwks)), kid, issuer)
    now = time.monotonic()
    kept = _kept.get(issuer.jwks_url)
    if kept is None or now - kept.fetched_at > FRESH_S:
        kept = _fetch(issuer, now)
    try:
        return _choose(kept.keys, kid, issuer)
    except UnknownKey:
        return _choose(_fetch(issuer, now).keys, kid, issuer)


def forget_keys() -> None:
    """Forget every key that was fetched."""
    _kept.clear()


def _fetch(issuer: TokenIssuer, now: float) -> _Kept:
    """Fetch the keys, unless that was tried a moment ago; what was known stays known if it fails.

    Who has keys to go on with does not wait for somebody else's request.
    """
    kept = _kept.get(issuer.jwks_url, _Kept((), -math.inf, -math.inf))
    if now - kept.tried_at < RETRY_S or not _lock.acquire(blocking=not kept.keys):
        return kept
    try:
        kept = _kept.get(issuer.jwks_url, kept)
        if now - kept.tried_at >= RETRY_S:
            kept = _kept[issuer.jwks_url] = _ask(issuer, kept, now)
        return kept
    finally:
        _lock.release()


def _ask(issuer: TokenIssuer, kept: _Kept, now: float) -> _Kept:
    try:
        document = fetch_json(
            issuer.jwks_url,
            allow_private=settings.ALLOW_PRIVATE_ISSUERS,
            setting="SAMSYN_ALLOW_PRIVATE_ISSUERS",
        )
        return _Kept(read_keys(document), now, now)
    except (ForbiddenAddress, UnknownHost, UnfetchableDocument, UnknownKey) as error:
        log.warning("the keys of %s cannot be fetched: %s", issuer.issuer, error)
        return _Kept(kept.keys, kept.fetched_at, now)


def read_keys(document: Any) -> tuple[Key, ...]:
    """Take the public signing keys of a JWK set; what is no such key (a secret, a short one) is left out.

    Raises
    ------
    UnknownKey
        It is no JWK set.
    """
    try:
        keys = KeySet.import_key_set(document).keys
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnknownKey("not a JWK set") from error
    return tuple(key for key in keys if _is_signing_key(key))


@lru_cache(maxsize=32)
def _read_given(document: str) -> tuple[Key, ...]:
    return read_keys(json.loads(document))


def _is_signing_key(key: Key) -> bool:
    if key.get("use", "sig") != "sig":
        return False
    if isinstance(key, RSAKey):
        return key.raw_value.key_size >= MIN_RSA_BITS
    return isinstance(key, ECKey | OKPKey)


def _choose(keys: tuple[Key, ...], kid: str | None, issuer: TokenIssuer) -> Key:
    if kid is None and len(keys) == 1:
        return keys[0]
    found = [key for key in keys if kid is not None and key.kid == kid]
    if not found:
        raise UnknownKey(f"{issuer.issuer} has no key of that name")
    return found[0]
