"""Certificates that are entered for a destination: whether they can be used, before somebody relies on them."""

import ssl

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from registry.noted import InvalidEntry

LONGEST_PEM = 200_000


def check_authorities(pem: str) -> None:
    """Raise `InvalidEntry` unless the text is empty or certificates in PEM."""
    if not pem:
        return
    _check_length(pem, "trusted_certificates")
    try:
        x509.load_pem_x509_certificates(pem.encode())
        ssl.create_default_context().load_verify_locations(cadata=pem)
    except (ValueError, ssl.SSLError) as error:
        raise InvalidEntry("trusted_certificates: these are not certificates in PEM") from error


def check_client_certificate(pem: str) -> None:
    """Raise `InvalidEntry` unless the text is empty, or a certificate and its key in PEM, without password."""
    if not pem:
        return
    _check_length(pem, "client_certificate")
    try:
        certificate = x509.load_pem_x509_certificates(pem.encode())[0]
        key = load_pem_private_key(_cut_key(pem), password=None)
    except (ValueError, TypeError) as error:
        raise InvalidEntry(
            "client_certificate: a certificate and its key without password, both in PEM"
        ) from error
    if key.public_key() != certificate.public_key():
        raise InvalidEntry("client_certificate: the key does not belong to the first certificate")


def _cut_key(pem: str) -> bytes:
    start = pem.find("PRIVATE KEY-----")
    begins = pem.rfind("-----BEGIN", 0, start) if start >= 0 else -1
    if begins < 0:
        raise ValueError("no private key")
    return pem[begins:].encode()


def _check_length(pem: str, name: str) -> None:
    if len(pem) > LONGEST_PEM:
        raise InvalidEntry(f"{name}: {len(pem)} characters, at most {LONGEST_PEM} are kept")
