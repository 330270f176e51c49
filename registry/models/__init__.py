"""Patients, imaging index, workflow, removals, subscriptions, conflicts and the change feed."""

from registry.models.change import Change, ChangeCursor
from registry.models.conflict import Conflict
from registry.models.imaging import DepartmentMilestone, Home, Instance, Segment, Series, Study
from registry.models.patient import IssuerRule, Patient, PatientIdentifier
from registry.models.removal import Removal, RemovedInstance
from registry.models.subscription import Destination, Subscription
from registry.models.workflow import Encounter, Order, Report, ReportVersion

__all__ = [
    "Change",
    "ChangeCursor",
    "Conflict",
    "DepartmentMilestone",
    "Destination",
    "Encounter",
    "Home",
    "Instance",
    "IssuerRule",
    "Order",
    "Patient",
    "PatientIdentifier",
    "Removal",
    "RemovedInstance",
    "Report",
    "ReportVersion",
    "Segment",
    "Series",
    "Study",
    "Subscription",
]
