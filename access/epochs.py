"""The region's access epoch: raised with every change of who works where, with what rights and agreements."""

from django.db.models import F

from access.models import AccessEpoch


def raise_access_epoch() -> None:
    """Let every decision that was made be made anew; call it in the transaction of the change."""
    if not AccessEpoch.objects.filter(pk=1).update(value=F("value") + 1):
        AccessEpoch.objects.get_or_create(pk=1, defaults={"value": 1})


def read_access_epoch() -> int:
    """Return the epoch; read it before what a decision rests on."""
    return AccessEpoch.objects.filter(pk=1).values_list("value", flat=True).first() or 0
