"""What a MADO manifest says of its series and key objects beyond their UIDs: regions, titles, the viewer."""

import io

import orjson
import pydicom
import pytest
from django.urls import reverse
from django.utils import timezone
from pydicom.dataset import Dataset

from access.database import write_transaction
from registry import changes
from registry.harmonise.duty import harmonise_studies
from registry.manifest.fhir_reading import read_bundle
from registry.manifest.model import Code
from registry.models import CodeMapping, DocumentEntry, Harmonised, Series, Study
from registry.models.document import APPROVED
from repository.document_store import open_document
from repository.xds.manifests import read_key_object
from repository.xds.publish import publish_due
from tests.support.dicom import StudyFacts, make_ct, make_uid, write_file

pytestmark = pytest.mark.django_db(transaction=True)
KOS = "1.2.840.10008.5.1.4.1.1.88.59"
LIVER = Code("10200004", "SCT", "Liver")
BRAIN = Code("T-A0100", "SRT", "Brain")
FOR_TEACHING = Code("113004", "DCM", "For Teaching")


@pytest.fixture(autouse=True)
def public_address(settings):
    settings.PUBLIC_BASE_URL = "https://samsyn.example"


def write_code(code):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme, code.meaning
    return item


def make_image_of(study, code):
    change = Dataset()
    change.AnatomicRegionSequence = [write_code(code)]
    return make_ct(study, change=change)


def make_enhanced_of(study, code):
    anatomy, shared, change = Dataset(), Dataset(), Dataset()
    anatomy.AnatomicRegionSequence = [write_code(code)]
    anatomy.FrameLaterality = "U"
    shared.FrameAnatomySequence = [anatomy]
    change.SharedFunctionalGroupsSequence = [shared]
    return make_ct(study, change=change)


def make_key_object(study, title, text):
    """Make a key object selection of the study as a viewer does."""
    data_set = pydicom.dcmread(io.BytesIO(make_ct(study)))
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BodyPartExamined"):
        delattr(data_set, keyword)
    data_set.SOPClassUID, data_set.SOPInstanceUID, data_set.Modality = KOS, make_uid(), "KO"
    data_set.SeriesInstanceUID = make_uid()
    said = Dataset()
    said.RelationshipType, said.ValueType, said.TextValue = "CONTAINS", "TEXT", text
    said.ConceptNameCodeSequence = [write_code(Code("113012", "DCM", "Key Object Description"))]
    data_set.ValueType = "CONTAINER"
    data_set.ConceptNameCodeSequence = [write_code(title)]
    data_set.ContentSequence = [said]
    return write_file(data_set, "1.2.840.10008.1.2.1")


def publish(study):
    with write_transaction():
        changes.append("study_quiet", study.study_instance_uid, {"generation": 1})
    harmonise_studies()
    publish_due()
    entries = DocumentEntry.objects.filter(status=APPROVED, maker__in=("kos", "mado", "fhir"))
    return {entry.maker: b"".join(open_document(entry.unique_id)[1]) for entry in entries}


def test_series_have_the_region_that_their_images_code(vendor):
    study = StudyFacts(study_description="Protokoll 7")
    files = (make_image_of(study, LIVER), make_enhanced_of(study, BRAIN))
    assert vendor.store(*files).status_code == 200
    stored = Series.objects.values_list("anatomic_region_sequence", flat=True)
    assert {items[0]["00080100"]["Value"][0] for items in stored} == {LIVER.value, BRAIN.value}
    made = publish(study)
    values = Harmonised.objects.get()
    assert (set(values.body_regions), values.basis) == ({"63337009", "774007"}, "codes")
    content, _ = read_key_object(made["mado"])
    assert {series.region for series in content.series} == {LIVER, BRAIN}
    assert {region.value for region in content.regions} == {"63337009", "774007"}
    assert read_bundle(orjson.loads(made["fhir"]))[0] == content


def test_key_objects_are_listed_with_their_title_and_description(vendor):
    study = StudyFacts()
    key_object = make_key_object(study, FOR_TEACHING, "Två metastaser i segment VI")
    assert vendor.store(make_ct(study), key_object).status_code == 200
    made = publish(study)
    content, _ = read_key_object(made["mado"])
    described = {
        instance.sop_class_uid: (instance.title, instance.description)
        for series in content.series
        for instance in series.instances
    }
    assert described[KOS] == (FOR_TEACHING, "Två metastaser i segment VI")
    assert [told for uid, told in described.items() if uid != KOS] == [(None, "")]
    assert read_bundle(orjson.loads(made["fhir"]))[0] == content


def test_the_viewer_is_the_page_of_the_study(vendor, settings):
    study = StudyFacts()
    assert vendor.store(make_ct(study)).status_code == 200
    content, _ = read_key_object(publish(study)["mado"])
    assert content.viewer_url == "https://samsyn.example" + reverse("study", args=[study.study_instance_uid])
    settings.PUBLIC_BASE_URL = ""
    assert read_key_object(publish(study)["mado"])[0].viewer_url == ""


def test_regions_are_told_before_the_duty_wrote_them_and_anew_when_they_change(vendor):
    study = StudyFacts(study_description="Protokoll 7")
    assert vendor.store(make_image_of(study, LIVER)).status_code == 200
    with write_transaction():
        changes.append("study_quiet", study.study_instance_uid, {"generation": 1})
    publish_due()
    Study.objects.update(quiet_due_at=None)
    assert not Harmonised.objects.exists()
    assert regions_in_document() == {"63337009"}
    harmonise_studies()
    assert publish_due() == 0
    CodeMapping.objects.create(
        kind="description", value="protokoll 7", body_regions=["774007"], made_at=timezone.now()
    )
    harmonise_studies()
    assert publish_due() == 1
    assert regions_in_document() == {"774007"}


def regions_in_document():
    entry = DocumentEntry.objects.get(status=APPROVED, maker="fhir")
    content, _ = read_bundle(orjson.loads(b"".join(open_document(entry.unique_id)[1])))
    told = {region.value for region in content.regions}
    events = set(entry.codes.filter(kind="event").values_list("code", flat=True))
    assert told <= events
    return told
