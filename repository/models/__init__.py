"""Packs and documents, their upkeep, commitments and deliveries."""

from repository.models.commitment import AskedCommitment, Commitment
from repository.models.delivery import Attempt, Delivery, DeliveryItem
from repository.models.document import StoredDocument
from repository.models.pack import Pack
from repository.models.publication import Publication
from repository.models.recall import Recall, RecallReceipt
from repository.models.upkeep import Damage, JournalHead, StudyLease

__all__ = [
    "AskedCommitment",
    "Attempt",
    "Commitment",
    "Damage",
    "Delivery",
    "DeliveryItem",
    "JournalHead",
    "Pack",
    "Publication",
    "Recall",
    "RecallReceipt",
    "StoredDocument",
    "StudyLease",
]
