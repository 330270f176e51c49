"""Ending a subscription: nothing is told any more but that it has ended.

Standard: IHE ITI DSUBm 2:3.112 (Subscription Deactivation Notification)
"""

from django.utils import timezone

from registry.models import FhirNotification, FhirSubscription

DEACTIVATION = "deactivation"
"""The kind of a notification that tells of the end; it takes the place of the handshake, number 0."""


def end_subscription(row: FhirSubscription) -> None:
    """Turn a subscription off, in the caller's transaction; a receiver that took its handshake is told."""
    ended = FhirSubscription.objects.filter(pk=row.pk).exclude(status="off").update(status="off")
    if not ended or not row.client.active:
        return
    now = timezone.now()
    handshake = FhirNotification.objects.filter(subscription=row, number=0, sent_at__isnull=False)
    handshake.update(kind=DEACTIVATION, made_at=now, not_before=now, sent_at=None, attempts=0, last_error="")
