"""The registry's own rows as a source: the first one, and what a service would be told by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from registry.models import Block, BlockLift, Consent, PatientIdentifier
from registry.sources.shapes import ForeignBlock, ForeignConsent, ForeignLift, PatientNumber, Restrictions


@dataclass(frozen=True, slots=True)
class LocalTables:
    """Blocks, lifts and consents that are registered here."""

    def read(self, numbers: Sequence[PatientNumber], now: datetime) -> Restrictions:
        """Return what holds for the patients who have one of the numbers."""
        if not numbers:
            return Restrictions()
        wanted = Q(pk__in=[])
        for number in numbers:
            wanted |= Q(value=number.value, issuer=number.issuer)
        patients = PatientIdentifier.objects.filter(wanted).values("patient")
        blocks = Block.objects.filter(patient__in=patients, cancelled_at__isnull=True, valid_from__lte=now)
        lifts = BlockLift.objects.filter(
            block__in=blocks, cancelled_at__isnull=True, valid_from__lte=now, valid_to__gt=now
        )
        consents = Consent.objects.filter(
            patient__in=patients, withdrawn_at__isnull=True, valid_from__lte=now, valid_to__gt=now
        )
        return Restrictions(
            tuple(_block(row) for row in blocks.select_related("provider", "unit__provider").order_by("pk")),
            tuple(
                ForeignLift(
                    f"lift:{row.pk}",
                    f"block:{row.block_id}",
                    row.unit.hsa_id,
                    row.valid_to,
                    row.user.hsa_id if row.user else "",
                )
                for row in lifts.select_related("unit", "user").order_by("pk")
            ),
            tuple(
                _consent(row)
                for row in consents.select_related(
                    "recipient_provider", "recipient_unit", "recipient_user"
                ).order_by("pk")
            ),
        )


def _block(row: Block) -> ForeignBlock:
    provider = row.provider or (row.unit.provider if row.unit else None)
    return ForeignBlock(
        f"block:{row.pk}",
        provider.hsa_id if provider else "",
        row.unit.hsa_id if row.unit else "",
        row.data_from,
        row.data_to,
        row.is_silent,
        row.is_absolute,
    )


def _consent(row: Consent) -> ForeignConsent:
    return ForeignConsent(
        f"consent:{row.pk}",
        row.valid_to,
        row.kind,
        row.recipient_provider.hsa_id if row.recipient_provider else "",
        row.recipient_unit.hsa_id if row.recipient_unit else "",
        row.recipient_user.hsa_id if row.recipient_user else "",
    )
