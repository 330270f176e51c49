"""The UIDs of the instances that we make of reports and recalls: the same for every destination and attempt.

Standard: PS3.5 B.2 (UIDs below 2.25)
"""

from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

from registry.affinity import affinity


def document_uid(version_id: int) -> str:
    """Return the SOP Instance UID of a version of a report as an encapsulated document."""
    return _uid(f"delivered-report/{version_id}")


def note_uid(version_id: int) -> str:
    """Return the SOP Instance UID of the note that rejects what a version replaces."""
    return _uid(f"delivered-report-note/{version_id}")


def series_uid(report_id: int) -> str:
    """Return the Series Instance UID of the documents of a report."""
    return _uid(f"delivered-report-series/{report_id}")


def note_series_uid(study_instance_uid: str) -> str:
    """Return the Series Instance UID of the rejection notes that we make about a study."""
    return _uid(f"rejection-notes/{study_instance_uid}")


def recall_uid(study_instance_uid: str, made_at: datetime, destination_id: int, generation: int) -> str:
    """Return the SOP Instance UID of a note that recalls what one destination has.

    Parameters
    ----------
    made_at
        When the recall was opened: a rebuilt database counts its recalls anew.
    """
    return _uid(f"recall/{study_instance_uid}/{made_at.isoformat()}/{destination_id}/{generation}")


def _uid(name: str) -> str:
    return f"2.25.{uuid5(NAMESPACE_OID, f'samsyn/{affinity().source_id}/{name}').int}"
