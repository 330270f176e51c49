"""Packs and deliveries."""

from repository.models.delivery import Attempt, Delivery, DeliveryItem
from repository.models.pack import Pack

__all__ = ["Attempt", "Delivery", "DeliveryItem", "Pack"]
