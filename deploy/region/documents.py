"""What some systems add to a study: the report as an encapsulated PDF, and a manifest of the study."""

from collections.abc import Sequence

from pydicom.uid import (
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    KeyObjectSelectionDocumentStorage,
)

from deploy.region.datasets import (
    InstanceReference,
    SeriesLabel,
    encode_file,
    make_code,
    set_instance,
    start_dataset,
)
from deploy.region.facts import Region, Study
from deploy.region.reports import (
    make_content_item,
    make_evidence,
    make_reference,
    make_referenced_request,
    make_template,
)

_PDF_SERIES = SeriesLabel("pdf", 91, "DOC", "Utlåtande PDF")
_MANIFEST_SERIES = SeriesLabel("manifest", 99, "KO", "Manifest")


def build_pdf_report(region: Region, study: Study) -> tuple[InstanceReference, bytes]:
    """Build the report of a study as one page of PDF.

    Standard: PS3.3 A.45.1
    """
    dataset = start_dataset(region, study, _PDF_SERIES, EncapsulatedPDFStorage)
    reference = set_instance(dataset, region, study, _PDF_SERIES, 1)
    page = write_pdf_page(_write_lines(study))
    dataset.ConversionType = "WSD"
    dataset.AcquisitionDateTime = ""
    dataset.BurnedInAnnotation = "YES"
    dataset.DocumentTitle = f"Utlåtande {study.description}"
    dataset.ConceptNameCodeSequence = [make_code("18748-4", "LN", "Diagnostic imaging report")]
    dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
    dataset.EncapsulatedDocumentLength = len(page)
    dataset.EncapsulatedDocument = page + b"\0" * (len(page) % 2)
    return reference, encode_file(dataset, ExplicitVRLittleEndian, study.hospital.ae_title)


def build_manifest(
    region: Region, study: Study, instances: Sequence[InstanceReference], image_count: int
) -> tuple[InstanceReference, bytes]:
    """Build a Key Object Selection that lists the whole study; its first `image_count` instances are images.

    Standard: PS3.16 TID 2010
    """
    dataset = start_dataset(region, study, _MANIFEST_SERIES, KeyObjectSelectionDocumentStorage)
    reference = set_instance(dataset, region, study, _MANIFEST_SERIES, 1)
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.ReferencedRequestSequence = [make_referenced_request(study)]
    dataset.CurrentRequestedProcedureEvidenceSequence = [make_evidence(study, instances)]
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = [make_code("113030", "DCM", "Manifest")]
    dataset.ContentTemplateSequence = [make_template("2010")]
    dataset.ContentSequence = [
        make_content_item(
            "CONTAINS", "IMAGE" if index < image_count else "COMPOSITE", None,
            ReferencedSOPSequence=[make_reference(instance)],
        )
        for index, instance in enumerate(instances)
    ]  # fmt: skip
    return reference, encode_file(dataset, ExplicitVRLittleEndian, study.hospital.ae_title)


def write_pdf_page(lines: Sequence[str]) -> bytes:
    """Write lines as a PDF of one page (A4, Helvetica); characters beyond cp1252 become question marks."""
    escaped = (line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for line in lines)
    text = " ".join(f"({line}) Tj T*" for line in escaped)
    stream = f"BT /F1 12 Tf 60 760 Td 20 TL {text} ET".encode("cp1252", "replace")
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    )
    file, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(file))
        file += b"%d 0 obj%sendobj\n" % (number, content)
    entries = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    table = b"xref\n0 6\n0000000000 65535 f \n" + entries
    return file + table + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(file)


def _write_lines(study: Study) -> list[str]:
    name, number = study.patient.name, study.patient.personal_number
    version = study.reports[-1] if study.reports else None
    return [
        study.hospital.name,
        f"Utlåtande: {study.description}",
        f"Patient: {name.given} {name.family}, {number[:8]}-{number[8:]}",
        f"Undersökningsnummer: {study.accession_number}",
        *([version.findings, version.impression] if version else ["Svar lämnas separat."]),
    ]
