"""What services of others say about a patient: the one question that a decision asks of them."""

from datetime import datetime
from functools import cache

from django.conf import settings
from django.utils import timezone

from registry.models import PatientIdentifier
from registry.sources.service import HttpService
from registry.sources.shapes import Answer, PatientNumber, Restrictions


def read_restrictions(patient_id: int, now: datetime | None = None) -> Answer:
    """Return what the configured service knows about a patient.

    Without a service, and for a patient without a national number, nothing is asked and nothing is restricted: the
    registry's own rows are read elsewhere, with the rest of what decides.

    Returns
    -------
    Restrictions or SourceUnavailable
        With the latter nobody knows: `Facts.are_blocks_known` is False, which closes data of other providers and
        leaves those of the own unit open with the obligation `blocks_unknown_banner`.
    """
    service = _service(
        settings.BLOCK_SERVICE_URL,
        settings.BLOCK_SERVICE_TOKEN,
        settings.BLOCK_SERVICE_TIMEOUT_S,
        settings.BLOCK_SERVICE_CACHE_S,
    )
    if service is None:
        return Restrictions()
    rows = PatientIdentifier.objects.filter(patient=patient_id, is_national=True).order_by("pk")
    numbers = [PatientNumber(value, issuer) for value, issuer in rows.values_list("value", "issuer")]
    return service.read(numbers, now or timezone.now())


@cache
def _service(url: str, token: str, timeout_s: float, cache_s: float) -> HttpService | None:
    return HttpService(url, token, timeout_s, cache_s) if url else None
