"""The UIDs of the instances that we make of reports and recalls: the same for every destination and attempt.

They are made of what a thing is known by, never of a key of the database: one that was rebuilt counts anew, and would
give a receiver other content under a UID that it has.

Standard: PS3.5 B.2 (UIDs below 2.25)
"""

import json
from datetime import datetime
from uuid import NAMESPACE_OID, uuid5

from registry.affinity import affinity
from registry.models import Report, ReportVersion
from registry.reports import write_version_name


def document_uid(version: ReportVersion) -> str:
    """Return the SOP Instance UID of a version of a report as an encapsulated document."""
    return _uid(f"delivered-report/{write_version_name(version)}")


def note_uid(version: ReportVersion) -> str:
    """Return the SOP Instance UID of the note that rejects what a version replaces."""
    return _uid(f"delivered-report-note/{write_version_name(version)}")


def series_uid(report: Report) -> str:
    """Return the Series Instance UID of the documents of a report."""
    named = json.dumps([report.filler_number, report.issuer])
    return _uid(f"delivered-report-series/{named}")


def instance_number(version: ReportVersion) -> int:
    """Return the Instance Number of what is made of a version: the minute it was written, so that they sort."""
    return int(version.authored_at.timestamp() // 60)


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
