"""When what decides about access last changed: decisions are kept only under the epoch they were made in."""

from django.db import models


class AccessEpoch(models.Model):
    """One row: a number raised in the transaction of every change of organisation, role, agreement or client."""

    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"epoch {self.value}"
