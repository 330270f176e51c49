"""The file that a version of a report came as."""

from dataclasses import dataclass, field

from registry.models import ReportVersion
from repository.document_store import MAX_PARSED_BYTES, find_content, open_document

PDF = "application/pdf"


class OversizedReport(ValueError):
    """The file of a report is larger than one message may be."""


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A file with its media type."""

    media_type: str
    content: bytes = field(repr=False)


def read_file(version: ReportVersion) -> ReportFile | None:
    """Return the file of a version; None where it came as text.

    Raises
    ------
    DamagedDocument, UnknownContent
        The bytes are not those that were stored, or are gone.
    OversizedReport
        It is larger than 64 MiB.
    """
    if not version.document_unique_id:
        return None
    row = find_content(version.document_unique_id)
    if row is None:
        return None
    if row.size > MAX_PARSED_BYTES:
        raise OversizedReport(f"the file of report version {version.pk} has {row.size} bytes")
    return ReportFile(row.mime_type, b"".join(open_document(version.document_unique_id)[1]))
