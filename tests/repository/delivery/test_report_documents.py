"""Reports to systems that speak DICOM and no HL7: DCMTK and dicom3tools look at what arrives."""

import io
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pydicom import dcmread
from pypdf import PdfReader

from registry.models import (
    DepartmentMilestone,
    Destination,
    PatientIdentifier,
    ReportReading,
    Study,
    Subscription,
    WorklistItem,
)
from registry.rejection_note import read_rejection_note
from repository.delivery.contents.made_files import MadeInstance
from repository.delivery.contents.report_instances import make_document
from repository.document_store import keep, store_bytes
from repository.models import Delivery
from tests.repository.delivery.test_mllp import send_all, take_report
from tests.support.dimse import run_storescp
from tests.support.receiver import Receiver

pytestmark = pytest.mark.django_db
LOCAL = "1.2.752.99.1"


@pytest.fixture
def study(region, make_quiet) -> Study:
    """A study whose reports a department wants, and no images."""
    made: Study = make_quiet(accession_number="A1", issuer_of_patient_id=LOCAL, study_id="1")
    Subscription.objects.update(wants=["report"])
    # The images are none of the matter here: the study came before anybody wanted it.
    Delivery.objects.all().delete()
    return made


def files_in(folder: Path) -> list[Path]:
    """Return the files of a folder: documents first, then notes, in the order in which they were made."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(paths, key=lambda path: (dcmread(path).Modality, int(dcmread(path).InstanceNumber)))


def text_of(path: Path) -> str:
    reader = PdfReader(io.BytesIO(dcmread(path).EncapsulatedDocument))
    return "\n".join(page.extract_text() for page in reader.pages)


def find_faults(path: Path) -> list[str]:
    """Return what dicom3tools finds wrong with a file."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def report_deliveries() -> list[Delivery]:
    return list(Delivery.objects.filter(kind="report").order_by("generation"))


def test_a_report_arrives_as_a_document_of_the_study_and_a_correction_rejects_it(study, tmp_path: Path):
    with run_storescp(tmp_path / "in", "PACS", "+xa") as port:
        Destination.objects.update(url=f"dicom://127.0.0.1:{port}", called_ae_title="PACS")
        first = take_report(study, "final", "Ingen blödning ≥ 5 mm.\n\nHöger njure: sten.")
        send_all()
        second = take_report(study, "corrected", "Blödning.", 5)
        send_all()
    former, document, note = files_in(tmp_path / "in")
    assert [row.state for row in report_deliveries()] == ["delivered", "delivered"]
    one, other = dcmread(former), dcmread(document)
    assert {one.StudyInstanceUID, other.StudyInstanceUID} == {study.study_instance_uid}
    assert one.SeriesInstanceUID == other.SeriesInstanceUID
    assert (str(one.PatientName), one.PatientID, one.AccessionNumber) == (
        "Åkerström^Lars",
        "191212121212",
        "A1",
    )
    assert "Ingen blödning ≥ 5 mm." in text_of(former)
    assert "Blödning." in text_of(document)
    assert "Lars Åkerström, 191212121212" in text_of(document)
    found = read_rejection_note(dcmread(note).to_json_dict())
    assert found is not None
    assert found.code.code_value == "113001"
    assert [each.sop_instance_uid for each in found.references] == [str(one.SOPInstanceUID)]
    assert [find_faults(path) for path in (former, document, note)] == [[], [], []]
    subprocess.run(["dcm2pdf", str(document), str(tmp_path / "out.pdf")], check=True, capture_output=True)
    assert (
        "113001"
        in subprocess.run(["dsrdump", "+Pc", str(note)], check=True, capture_output=True, text=True).stdout
    )
    assert set(ReportReading.objects.values_list("version", flat=True)) == {first.pk, second.pk}


def test_a_withdrawn_report_is_a_note_alone_and_an_addendum_a_document_more(study, tmp_path: Path, settings):
    settings.EXPORT_FOLDERS = [str(tmp_path)]
    Destination.objects.update(url=f"file://{tmp_path}/ward")
    final = take_report(study, "final", "Slutligt")
    addendum = take_report(study, "addendum", "Tillägg", 5)
    take_report(study, "cancelled", "", 10)
    send_all()
    documents = files_in(tmp_path / "ward")
    assert [dcmread(path).Modality for path in documents] == ["DOC", "DOC", "KO"]
    note = read_rejection_note(dcmread(documents[-1]).to_json_dict())
    assert note is not None
    rejected = {each.sop_instance_uid for each in note.references}
    assert rejected == {str(dcmread(path).SOPInstanceUID) for path in documents[:2]}
    assert (final.number, addendum.number) == (1, 2)


def test_a_report_that_was_withdrawn_before_anybody_had_it_is_not_sent(study):
    Destination.objects.update(url="http://127.0.0.1:9/studies")
    take_report(study, "cancelled", "")
    send_all()
    assert report_deliveries() == []


def test_a_receiver_that_processes_no_rejections_gets_the_documents_alone(study, tmp_path: Path, settings):
    settings.EXPORT_FOLDERS = [str(tmp_path)]
    Destination.objects.update(url=f"file://{tmp_path}/ward", processes_rejection=False)
    take_report(study, "preliminary", "Preliminärt")
    take_report(study, "final", "Slutligt", 5)
    send_all()
    assert [dcmread(path).Modality for path in files_in(tmp_path / "ward")] == ["DOC", "DOC"]


def test_a_pdf_goes_as_it_came(study, tmp_path: Path, settings):
    settings.EXPORT_FOLDERS, settings.OBJECTS_ROOT = [str(tmp_path)], tmp_path / "objects"
    content = store_bytes(b"%PDF-1.4 report", "2.25.1234", "application/pdf")
    keep(content)
    take_report(study, "final", "", document_unique_id="2.25.1234", file_sha256=content.sha256)
    Destination.objects.update(url=f"file://{tmp_path}/ward")
    send_all()
    (path,) = files_in(tmp_path / "ward")
    data = dcmread(path)
    assert data.EncapsulatedDocument[: data.EncapsulatedDocumentLength] == b"%PDF-1.4 report"


def test_a_file_of_another_kind_is_told_of(study, tmp_path: Path, settings):
    settings.EXPORT_FOLDERS, settings.OBJECTS_ROOT = [str(tmp_path)], tmp_path / "objects"
    content = store_bytes(b"<ClinicalDocument/>", "2.25.1235", "text/xml")
    keep(content)
    take_report(study, "final", "", document_unique_id="2.25.1235", file_sha256=content.sha256)
    Destination.objects.update(url=f"file://{tmp_path}/ward")
    send_all()
    (path,) = files_in(tmp_path / "ward")
    assert "av typen text/xml" in text_of(path)


def test_a_report_bears_the_receivers_number_and_the_former_beside(study, tmp_path: Path, settings):
    settings.EXPORT_FOLDERS = [str(tmp_path)]
    PatientIdentifier.objects.create(patient=study.person, value="77", issuer="1.2.752.99.77")
    Destination.objects.update(url=f"file://{tmp_path}/ward", translates=True, patient_issuer="1.2.752.99.77")
    take_report(study, "final", "Slutligt")
    send_all()
    data = dcmread(files_in(tmp_path / "ward")[0])
    assert data.PatientID == "77"
    original = data.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert original.PatientID == "191212121212"


def test_the_same_version_is_the_same_bytes_for_every_attempt(study, receiver: Receiver):
    version = take_report(study, "final", "Slutligt")
    made: list[MadeInstance] = [make_document(version, study) for _ in range(2)]
    assert made[0].content == made[1].content
    assert made[0].length > 1000


def test_a_report_puts_its_study_up_on_the_worklist_again(study):
    Destination.objects.update(url="worklist:")
    take_report(study, "final", "Slutligt")
    send_all()
    item = WorklistItem.objects.get()
    before = timezone.now() - timedelta(days=1)
    WorklistItem.objects.update(changed_at=before)
    take_report(study, "corrected", "Ändrat", 5)
    send_all()
    assert WorklistItem.objects.get(pk=item.pk).changed_at > before
    assert not DepartmentMilestone.objects.exists()
