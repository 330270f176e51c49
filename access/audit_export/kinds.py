"""What each word in the log's `action` column is in the words of DICOM: one table for all renderings."""

from dataclasses import dataclass
from typing import Literal

DCM = "DCM"

Shape = Literal["access", "in", "out", "query", "export", "login", "log", "alert", "record", "application"]
"""Who takes part: a reader; a sender to us; a receiver from us; one who asks; one who takes out; one who logs in;
a reader of this log; somebody behind an alert; somebody who changes a patient's record; who started us.
"""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value."""

    value: str
    meaning: str
    system: str = DCM


@dataclass(frozen=True, slots=True)
class Kind:
    """The event of an action: EventID, EventActionCode, EventTypeCode.

    Standard: PS3.15 A.5.3, PS3.16 CID 400, 401
    """

    event: Code
    action: Literal["C", "R", "U", "D", "E"]
    shape: Shape
    type: Code | None = None


APPLICATION = Code("110150", "Application")
LAUNCHER = Code("110151", "Application Launcher")
DESTINATION = Code("110152", "Destination Role ID")
SOURCE = Code("110153", "Source Role ID")
DESTINATION_MEDIA = Code("110154", "Destination Media")
URI_MEDIA = Code("110037", "URI")
STUDY_INSTANCE_UID = Code("110180", "Study Instance UID")
SOP_CLASS_UID = Code("110181", "SOP Class UID")
NODE_ID = Code("110182", "Node ID")

APPLICATION_ACTIVITY = Code("110100", "Application Activity")
LOG_USED = Code("110101", "Audit Log Used")
ACCESSED = Code("110103", "DICOM Instances Accessed")
TRANSFERRED = Code("110104", "DICOM Instances Transferred")
STUDY_DELETED = Code("110105", "DICOM Study Deleted")
EXPORT = Code("110106", "Export")
IMPORT = Code("110107", "Import")
ORDER_RECORD = Code("110109", "Order Record")
PATIENT_RECORD = Code("110110", "Patient Record")
QUERY = Code("110112", "Query")
SECURITY_ALERT = Code("110113", "Security Alert")
USER_AUTHENTICATION = Code("110114", "User Authentication")

STARTED = Code("110120", "Application Start")
STOPPED = Code("110121", "Application Stop")
LOGIN = Code("110122", "Login")
LOGOUT = Code("110123", "Logout")
EMERGENCY_STARTED = Code("110127", "Emergency Override Started")
EMERGENCY_STOPPED = Code("110138", "Emergency Override Stopped")
RESTRICTED_FUNCTION = Code("110132", "Use of Restricted Function")
OBJECT_SECURITY = Code("110135", "Object Security Attributes Changed")
SECURITY_ROLES = Code("110136", "Security Roles Changed")

_OBJECT_CHANGE = Kind(SECURITY_ALERT, "E", "alert", OBJECT_SECURITY)
_ROLES_CHANGED = Kind(SECURITY_ALERT, "E", "alert", SECURITY_ROLES)
_STARTED = Kind(SECURITY_ALERT, "E", "alert", EMERGENCY_STARTED)
_RECORD_MADE = Kind(PATIENT_RECORD, "C", "record")
_RECORD_CHANGED = Kind(PATIENT_RECORD, "U", "record")
_RESTRICTED = Kind(SECURITY_ALERT, "E", "alert", RESTRICTED_FUNCTION)

KINDS: dict[str, Kind] = {
    "application_start": Kind(APPLICATION_ACTIVITY, "E", "application", STARTED),
    "application_stop": Kind(APPLICATION_ACTIVITY, "E", "application", STOPPED),
    "store": Kind(TRANSFERRED, "C", "in"),
    "register_documents": Kind(IMPORT, "C", "in"),
    "deliver": Kind(TRANSFERRED, "R", "out"),
    "read": Kind(ACCESSED, "R", "access"),
    "commit": Kind(ACCESSED, "R", "access"),
    "reject": Kind(ACCESSED, "U", "access"),
    "restore": Kind(ACCESSED, "U", "access"),
    "confirm_rebuilt": Kind(ACCESSED, "U", "access"),
    "delete": Kind(STUDY_DELETED, "D", "access"),
    "search": Kind(QUERY, "E", "query"),
    "export": Kind(EXPORT, "R", "export"),
    "login": Kind(USER_AUTHENTICATION, "E", "login", LOGIN),
    "login_failed": Kind(USER_AUTHENTICATION, "E", "login", LOGIN),
    "logout": Kind(USER_AUTHENTICATION, "E", "login", LOGOUT),
    "audit_read": Kind(LOG_USED, "R", "log"),
    "audit_erase": _RESTRICTED,
    "rebuild_index": _RESTRICTED,
    "assignment_give": _ROLES_CHANGED,
    "assignment_end": _ROLES_CHANGED,
    "role_change": _ROLES_CHANGED,
    "map_code": _ROLES_CHANGED,
    "unmap_code": _ROLES_CHANGED,
    "organisation_import": _ROLES_CHANGED,
    "destination_add": _OBJECT_CHANGE,
    "destination_change": _OBJECT_CHANGE,
    "destination_hold": _OBJECT_CHANGE,
    "destination_release": _OBJECT_CHANGE,
    "destination_maintain": _OBJECT_CHANGE,
    "destination_test": _RESTRICTED,
    "subscription_add": _OBJECT_CHANGE,
    "subscription_change": _OBJECT_CHANGE,
    "subscription_end": _OBJECT_CHANGE,
    "subscription_replay": _OBJECT_CHANGE,
    "review_draw": Kind(LOG_USED, "R", "log"),
    "review_finding": _RESTRICTED,
    "review_sign": _RESTRICTED,
    "emergency_locate": _STARTED,
    "emergency_open": _STARTED,
    "emergency_close": Kind(SECURITY_ALERT, "E", "alert", EMERGENCY_STOPPED),
    "emergency_review": _OBJECT_CHANGE,
    "consent_register": _OBJECT_CHANGE,
    "consent_withdraw": _OBJECT_CHANGE,
    "subscribe": _RESTRICTED,
    "consent_read": Kind(PATIENT_RECORD, "R", "record"),
    "block_register": _OBJECT_CHANGE,
    "block_cancel": _OBJECT_CHANGE,
    "lift": _OBJECT_CHANGE,
    "lift_cancel": _OBJECT_CHANGE,
    "share": _OBJECT_CHANGE,
    "share_withdraw": _OBJECT_CHANGE,
    "send_now": _OBJECT_CHANGE,
    "send_withdraw": _OBJECT_CHANGE,
    "recall": _RECORD_CHANGED,
    "recall_done": _RECORD_CHANGED,
    "delivery_hold": _OBJECT_CHANGE,
    "delivery_retry": _OBJECT_CHANGE,
    "delivery_release": _OBJECT_CHANGE,
    "delivery_withdraw": _OBJECT_CHANGE,
    "delivery_replay": _OBJECT_CHANGE,
    "delivery_verify": _OBJECT_CHANGE,
    "worklist_done": _OBJECT_CHANGE,
    "flag_set": _OBJECT_CHANGE,
    "flag_end": _OBJECT_CHANGE,
    "relative_add": _RECORD_MADE,
    "relative_end": _RECORD_CHANGED,
    "relation_declare": _RECORD_MADE,
    "relation_register": _RECORD_MADE,
    "relation_end": _RECORD_CHANGED,
    "choice": _RECORD_MADE,
    "reason_given": _RECORD_MADE,
    "patient_feed": _RECORD_CHANGED,
    "order_feed": Kind(ORDER_RECORD, "U", "record"),
    "report_feed": _RECORD_CHANGED,
    "report_read": Kind(PATIENT_RECORD, "R", "record"),
    "correction_seen": _RECORD_CHANGED,
    "patient_merge": _RECORD_CHANGED,
    "patient_link": _RECORD_CHANGED,
    "patient_moved": _RECORD_CHANGED,
    "patient_merge_undone": _RECORD_CHANGED,
    "merge_asked": _RECORD_CHANGED,
    "merge_made": _RECORD_CHANGED,
    "merge_refused": _RECORD_CHANGED,
    "merge_withdrawn": _RECORD_CHANGED,
    "patient_removed": Kind(PATIENT_RECORD, "D", "record"),
    "merge_read": Kind(PATIENT_RECORD, "R", "record"),
}
"""By the word in `AuditEvent.action`; what is not here is told by `kind_of`."""


def kind_of(action: str, *, has_study: bool, has_patient: bool) -> Kind:
    """Return the kind of an action; of one that the table does not know, the nearest by what it was about."""
    known = KINDS.get(action)
    if known is not None:
        return known
    if action.startswith(("assignment", "role", "user", "client", "token")):
        return _ROLES_CHANGED
    if has_study:
        return Kind(ACCESSED, "U", "access")
    return _RECORD_CHANGED if has_patient else _RESTRICTED


OUTCOMES = {"success": "0", "failed": "4", "refused": "8"}
"""EventOutcomeIndicator by `AuditEvent.outcome`: done, tried again, ended.

Standard: PS3.15 A.5.2
"""
