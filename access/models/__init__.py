"""Organisation, people, clients and the access log."""

from access.models.audit import AccessSpan, AuditCursor, AuditEvent, AuditSeal
from access.models.clients import (
    ApiClient,
    ApplicationEntity,
    ClientCertificate,
    ClientToken,
    RevokedToken,
    TokenIssuer,
)
from access.models.epoch import AccessEpoch
from access.models.organisation import (
    CareProcess,
    CareProvider,
    CareUnit,
    Department,
    DepartmentGroupPermission,
    Role,
    SharingAgreement,
)
from access.models.people import Assignment, User

__all__ = [
    "AccessEpoch",
    "AccessSpan",
    "ApiClient",
    "ApplicationEntity",
    "Assignment",
    "AuditCursor",
    "AuditEvent",
    "AuditSeal",
    "CareProcess",
    "CareProvider",
    "CareUnit",
    "ClientCertificate",
    "ClientToken",
    "Department",
    "DepartmentGroupPermission",
    "RevokedToken",
    "Role",
    "SharingAgreement",
    "TokenIssuer",
    "User",
]
