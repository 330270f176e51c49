"""Patients, imaging index, workflow, who may see what, removals, subscriptions, conflicts, the change feed."""

from registry.models.change import Change, ChangeCursor
from registry.models.coercion import CoercionRule
from registry.models.conflict import Conflict
from registry.models.consent import Block, BlockLift, Consent, PatientFlag
from registry.models.imaging import DepartmentMilestone, Home, Instance, Segment, Series, Study
from registry.models.patient import IssuerRule, Patient, PatientIdentifier
from registry.models.relation import (
    ActiveChoice,
    CareRelation,
    EmergencyOpening,
    EmergencyReview,
    Participation,
    Relative,
)
from registry.models.removal import Removal, RemovedInstance
from registry.models.review import LogReview, LogReviewItem, Notice
from registry.models.share import Share
from registry.models.subscription import Destination, Subscription
from registry.models.workflow import Encounter, Order, Report, ReportVersion

__all__ = [
    "ActiveChoice",
    "Block",
    "BlockLift",
    "CareRelation",
    "Change",
    "ChangeCursor",
    "CoercionRule",
    "Conflict",
    "Consent",
    "DepartmentMilestone",
    "Destination",
    "EmergencyOpening",
    "EmergencyReview",
    "Encounter",
    "Home",
    "Instance",
    "IssuerRule",
    "LogReview",
    "LogReviewItem",
    "Notice",
    "Order",
    "Participation",
    "Patient",
    "PatientFlag",
    "PatientIdentifier",
    "Relative",
    "Removal",
    "RemovedInstance",
    "Report",
    "ReportVersion",
    "Segment",
    "Series",
    "Share",
    "Study",
    "Subscription",
]
