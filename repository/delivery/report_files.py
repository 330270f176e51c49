"""The file that a version of a report came as, where it is a PDF."""

from registry.models import ReportVersion
from repository.document_store import MAX_PARSED_BYTES, find_content, open_document

PDF = "application/pdf"


class OversizedReport(ValueError):
    """The file of a report is larger than one message may be."""


def read_pdf(version: ReportVersion) -> bytes:
    """Return the PDF of a version; empty where it came as text or as another kind of file.

    Raises
    ------
    DamagedDocument, UnknownContent
        The bytes are not those that were stored, or are gone.
    OversizedReport
        It is larger than 64 MiB.
    """
    if not version.document_unique_id:
        return b""
    row = find_content(version.document_unique_id)
    if row is None or row.mime_type != PDF:
        return b""
    if row.size > MAX_PARSED_BYTES:
        raise OversizedReport(f"the file of report version {version.pk} has {row.size} bytes")
    return b"".join(open_document(version.document_unique_id)[1])
