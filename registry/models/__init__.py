"""Patients, imaging index, workflow, documents, who may see what, removals, subscriptions, the change feed."""

from registry.models.change import Change, ChangeCursor
from registry.models.coercion import CoercionRule
from registry.models.conflict import Conflict
from registry.models.consent import Block, BlockLift, Consent, PatientFlag
from registry.models.contact import PatientAddress, PatientTelecom
from registry.models.document import (
    Association,
    DocumentCode,
    DocumentEntry,
    Folder,
    ReferenceId,
    SubmissionSet,
)
from registry.models.harmonised import CodeMapping, Harmonised, UnmappedWord
from registry.models.hl7v2 import Hl7Source, ReceivedMessage
from registry.models.hop import Hop
from registry.models.imaging import DepartmentMilestone, Home, Instance, Segment, Series, Study
from registry.models.merge import MergeRequest, MovedRow, PatientMerge
from registry.models.notification import FhirNotification, FhirSubscription
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
from registry.models.sending import SendRequest, WorklistItem
from registry.models.share import Share
from registry.models.subscription import Destination, DestinationBucket, Subscription
from registry.models.workflow import (
    AwaitedStudy,
    Encounter,
    Order,
    Report,
    ReportReading,
    ReportVersion,
)

__all__ = [
    "ActiveChoice",
    "Association",
    "AwaitedStudy",
    "Block",
    "BlockLift",
    "CareRelation",
    "Change",
    "ChangeCursor",
    "CodeMapping",
    "CoercionRule",
    "Conflict",
    "Consent",
    "DepartmentMilestone",
    "Destination",
    "DestinationBucket",
    "DocumentCode",
    "DocumentEntry",
    "EmergencyOpening",
    "EmergencyReview",
    "Encounter",
    "FhirNotification",
    "FhirSubscription",
    "Folder",
    "Harmonised",
    "Hl7Source",
    "Home",
    "Hop",
    "Instance",
    "IssuerRule",
    "LogReview",
    "LogReviewItem",
    "MergeRequest",
    "MovedRow",
    "Notice",
    "Order",
    "Participation",
    "Patient",
    "PatientAddress",
    "PatientFlag",
    "PatientIdentifier",
    "PatientMerge",
    "PatientTelecom",
    "ReceivedMessage",
    "ReferenceId",
    "Relative",
    "Removal",
    "RemovedInstance",
    "Report",
    "ReportReading",
    "ReportVersion",
    "Segment",
    "SendRequest",
    "Series",
    "Share",
    "Study",
    "SubmissionSet",
    "Subscription",
    "UnmappedWord",
    "WorklistItem",
]
