"""Rows of the log that were never stored, for what renders them."""

from datetime import UTC, datetime

from access.models import AuditEvent


def make_row(action: str = "read", **values: object) -> AuditEvent:
    """A row in which every column says something."""
    facts = {
        "pk": 17,
        "recorded_at": datetime(2026, 11, 24, 12, 0, 0, 250, tzinfo=UTC),
        "action": action,
        "outcome": "success",
        "actor": "anna",
        "actor_kind": "person",
        "assignment_id": 3,
        "role": "Läkare",
        "care_unit_hsa_id": "SE-U1",
        "department_hsa_id": "SE-D1",
        "purpose": "care",
        "door": "wado",
        "address": "192.0.2.7",
        "patient_id": 5,
        "study_instance_uid": "1.2.3",
        "rule": "9",
        "detail": {"reason": "consent", "basis": ["consent:12"]},
    }
    return AuditEvent(**facts | values)
