"""SOCIALACCOUNT_PROVIDERS of the one identity provider, from the environment."""

from collections.abc import Mapping
from typing import Any

PROVIDER_ID = "idp"


def describe_provider(environ: Mapping[str, str]) -> dict[str, Any]:
    """Describe the provider of SAMSYN_OIDC_ISSUER; empty if there is none.

    Raises
    ------
    KeyError
        There is an issuer, and no client id or secret.
    """
    issuer = environ.get("SAMSYN_OIDC_ISSUER", "").rstrip("/")
    if not issuer:
        return {}
    app = {
        "provider_id": PROVIDER_ID,
        "name": environ.get("SAMSYN_OIDC_NAME", "SITHS"),
        "client_id": environ["SAMSYN_OIDC_CLIENT_ID"],
        "secret": environ["SAMSYN_OIDC_CLIENT_SECRET"],
        "settings": {"server_url": issuer, "oauth_pkce_enabled": True},
    }
    scope = environ.get("SAMSYN_OIDC_SCOPE", "openid profile").split()
    return {"openid_connect": {"APPS": [app], "SCOPE": scope, "OAUTH_PKCE_ENABLED": True}}
