"""Organisation, people, clients and the access log."""

from access.models.audit import AccessSpan, AuditEvent
from access.models.clients import ApiClient, ClientToken
from access.models.organisation import CareProvider, CareUnit, Department
from access.models.people import Assignment, User

__all__ = [
    "AccessSpan",
    "ApiClient",
    "Assignment",
    "AuditEvent",
    "CareProvider",
    "CareUnit",
    "ClientToken",
    "Department",
    "User",
]
