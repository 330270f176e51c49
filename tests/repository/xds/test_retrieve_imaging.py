"""RAD-69: instances by MTOM, held against their study and series, in a transfer syntax of the list."""

import io

import pydicom
import pytest

from access.models import AuditEvent
from registry.affinity import affinity
from tests.repository.xds.test_retrieve_documents import RS, XDSB, outcome
from tests.support import dicom
from tests.support.soap import make_envelope

pytestmark = pytest.mark.django_db

ACTION = "urn:ihe:rad:2009:RetrieveImagingDocumentSet"
RAD = "urn:ihe:rad:xdsi-b:2009"
EXPLICIT, RLE, VIDEO = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.102"


def request_for(study, series, *instances, syntaxes=(EXPLICIT,), repository=None, namespace=XDSB) -> bytes:
    repository = repository or affinity().imaging_source_id
    asked = "".join(
        f'<d:DocumentRequest xmlns:d="{namespace}"><d:RepositoryUniqueId>{repository}</d:RepositoryUniqueId>'
        f"<d:DocumentUniqueId>{uid}</d:DocumentUniqueId></d:DocumentRequest>"
        for uid in instances
    )
    listed = "".join(f"<TransferSyntaxUID>{uid}</TransferSyntaxUID>" for uid in syntaxes)
    return make_envelope(
        ACTION,
        f'<RetrieveImagingDocumentSetRequest xmlns="{RAD}"><StudyRequest studyInstanceUID="{study}">'
        f'<SeriesRequest seriesInstanceUID="{series}">{asked}</SeriesRequest></StudyRequest>'
        f"<TransferSyntaxUIDList>{listed}</TransferSyntaxUIDList></RetrieveImagingDocumentSetRequest>",
    )


@pytest.fixture
def images(vendor):
    """Three instances of one series, stored, as pydicom reads them."""
    files = dicom.make_series(dicom.StudyFacts(), 3)
    assert vendor.store(*files).status_code == 200
    return [pydicom.dcmread(io.BytesIO(file)) for file in files]


def ids(images):
    return (
        images[0].StudyInstanceUID,
        images[0].SeriesInstanceUID,
        *(image.SOPInstanceUID for image in images),
    )


@pytest.mark.parametrize("namespace", [XDSB, RAD])
def test_instances_are_given_in_their_order(vendor, ask, images, namespace):
    reply = ask(vendor, "/ihe/imaging", request_for(*ids(images), namespace=namespace))
    assert reply.action == "urn:ihe:iti:2007:RetrieveDocumentSetResponse"
    assert outcome(reply) == ("Success", [])
    given = reply.body.findall(f"{{{XDSB}}}DocumentResponse")
    read = [pydicom.dcmread(io.BytesIO(reply.content_of(one.find(f"{{{XDSB}}}Document")))) for one in given]
    assert [one.SOPInstanceUID for one in read] == [one.SOPInstanceUID for one in images]
    assert read[0].PixelData == images[0].PixelData
    assert set(reply.types.values()) == {"application/dicom"}
    assert AuditEvent.objects.get(action="read").door == "rad-69"


def test_the_syntax_is_one_of_the_list(vendor, ask, images):
    study, series, first, *_ = ids(images)
    reply = ask(vendor, "/ihe/imaging", request_for(study, series, first, syntaxes=[VIDEO, RLE]))
    [data] = reply.parts.values()
    read = pydicom.dcmread(io.BytesIO(data))
    assert read.file_meta.TransferSyntaxUID == RLE
    assert (read.pixel_array == images[0].pixel_array).all()


@pytest.mark.parametrize("syntaxes", [[], [VIDEO], ["1.2.3"], ["*"], ["default"]])
def test_no_listed_syntax_is_an_error_of_the_document(vendor, ask, images, syntaxes):
    study, series, first, *_ = ids(images)
    reply = ask(vendor, "/ihe/imaging", request_for(study, series, first, syntaxes=syntaxes))
    assert outcome(reply) == ("Failure", ["XDSRepositoryError"])
    [error] = reply.body.iter(f"{{{RS}}}RegistryError")
    assert error.get("location") == first


@pytest.mark.parametrize("wrong", ["study", "series", "instance", "empty study", "empty series"])
def test_what_is_not_there_is_an_error_of_the_document(vendor, ask, images, wrong):
    study, series, first, *_ = ids(images)
    study = {"study": "1.2.3", "empty study": ""}.get(wrong, study)
    series = {"series": "1.2.3", "empty series": ""}.get(wrong, series)
    reply = ask(vendor, "/ihe/imaging", request_for(study, series, "1.2.3" if wrong == "instance" else first))
    assert (reply.status, outcome(reply)) == (200, ("Failure", ["XDSDocumentUniqueIdError"]))


def test_some_of_several_are_a_partial_success(vendor, ask, images):
    reply = ask(vendor, "/ihe/imaging", request_for(*ids(images), "1.2.3"))
    assert outcome(reply) == ("PartialSuccess", ["XDSDocumentUniqueIdError"])
    assert len(reply.parts) == 3


def test_another_repository_is_told(vendor, ask, images):
    reply = ask(vendor, "/ihe/imaging", request_for(*ids(images), repository="1.2.9"))
    assert outcome(reply) == ("Failure", ["XDSUnknownRepositoryId"] * 3)


def test_a_hidden_study_is_as_an_unknown_one(foreigner, ask, images):
    study, series, first, *_ = ids(images)
    assert outcome(ask(foreigner, "/ihe/imaging", request_for(study, series, first))) == (
        "Failure",
        ["XDSDocumentUniqueIdError"],
    )
    assert AuditEvent.objects.filter(outcome="refused", door="rad-69").count() == 1
