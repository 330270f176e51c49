"""Packs, their upkeep, and deliveries."""

from repository.models.delivery import Attempt, Delivery, DeliveryItem
from repository.models.pack import Pack
from repository.models.upkeep import Damage, SeriesLease

__all__ = ["Attempt", "Damage", "Delivery", "DeliveryItem", "Pack", "SeriesLease"]
