"""How a destination's system is trusted, and how it knows us: authorities and a client certificate of its own."""

import os
import ssl
from urllib.parse import urlsplit

from django.conf import settings

from access.secrets import unseal
from registry.models import Destination

ENCRYPTED = ("https", "fhir+https", "dicoms", "mllps", "s3")
"""Beginnings of addresses that are spoken to under TLS; of buckets those whose service is named with https."""


def make_context(destination: Destination) -> ssl.SSLContext | None:
    """Return the TLS context for a destination, None where its address is spoken to without.

    Its own authorities, where it names some, are the only ones that are trusted. Systems that speak DIMSE are trusted
    and shown what the installation has for all of them where the destination has nothing of its own.

    Raises
    ------
    UnreadableSecret
        The client certificate was sealed with another key.
    ssl.SSLError
        What is stored is no certificate or key.
    """
    scheme = urlsplit(destination.url).scheme
    if scheme not in ENCRYPTED:
        return None
    is_dimse = scheme == "dicoms"
    own = destination.trusted_certificates
    shared = settings.DIMSE_TLS_CA if is_dimse and not own else ""
    context = ssl.create_default_context(cafile=shared or None, cadata=own or None)
    pem = unseal(destination.client_certificate_sealed)
    if pem:
        _show(context, pem)
    elif is_dimse and settings.DIMSE_TLS_CERTIFICATE:
        context.load_cert_chain(settings.DIMSE_TLS_CERTIFICATE, settings.DIMSE_TLS_KEY or None)
    return context


def _show(context: ssl.SSLContext, pem: str) -> None:
    """Load a certificate and its key from memory: OpenSSL takes a path, and a key does not belong on a disk."""
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, pem.encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
