"""A version of a report as an instance of its study, for systems that speak DICOM and no HL7.

Standard: PS3.3 A.45.1 (Encapsulated PDF), C.24.2
"""

from registry.models import ReportVersion, Study
from registry.study_state import FINAL
from repository.delivery.contents.made_files import (
    MadeInstance,
    describe_study,
    make_code,
    set_content_time,
    write_made,
)
from repository.delivery.contents.report_files import PDF, read_file
from repository.delivery.contents.report_messages import IMAGING_STUDY
from repository.delivery.contents.report_pdf import STATES, render_report
from repository.delivery.contents.report_uids import document_uid, instance_number, series_uid

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
SERIES_NUMBER = 9901


def make_document(version: ReportVersion, study: Study) -> MadeInstance:
    """Make the document of a version: the PDF it came as, else its text as one."""
    file = read_file(version)
    is_pdf = file is not None and file.media_type == PDF
    content = file.content if file is not None and is_pdf else render_report(version, study, file)
    data = describe_study(study)
    data.SOPClassUID, data.SOPInstanceUID = ENCAPSULATED_PDF, document_uid(version)
    data.SeriesInstanceUID, data.SeriesNumber = series_uid(version.report), SERIES_NUMBER
    data.Modality, data.SeriesDescription = "DOC", "Report"
    data.InstanceNumber = instance_number(version)
    data.ConversionType, data.BurnedInAnnotation = "WSD", "YES"
    set_content_time(data, version.authored_at)
    data.AcquisitionDateTime = ""
    data.DocumentTitle = f"{version.report.title or 'Report'}: {STATES[version.status]}"[:1024]
    code, meaning, scheme = IMAGING_STUDY
    data.ConceptNameCodeSequence = [make_code(code, scheme, meaning)]
    data.VerificationFlag = "VERIFIED" if version.status in FINAL else "UNVERIFIED"
    data.MIMETypeOfEncapsulatedDocument = PDF
    data.EncapsulatedDocumentLength = len(content)
    data.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return write_made(data)
