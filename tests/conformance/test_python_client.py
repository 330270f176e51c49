"""Every public method of dicomweb-client (Python), as its documentation calls it."""

import io
from collections.abc import Iterator

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from requests.exceptions import HTTPError

from tests.conformance.archive import Archive, Known
from tests.conformance.wire import value_of
from tests.support.dicom import StudyFacts, make_series
from tests.support.http import bearer

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::UserWarning")]

EXPLICIT = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"


def connect(archive: Archive, **options) -> DICOMwebClient:
    session = requests.Session()
    session.headers.update(bearer(archive.token))
    return DICOMwebClient(archive.wire.base, session=session, **options)


@pytest.fixture(scope="module")
def client(archive: Archive) -> DICOMwebClient:
    """A client of the server that is only read."""
    return connect(archive)


def uids(known: Known) -> tuple[str, str, str]:
    dataset = known.dataset
    return str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID)


def of_study(archive: Archive, name: str) -> set[str]:
    return {known.sop_instance_uid for known in archive.instances_of(archive[name].study_path)}


def sop_uids(datasets) -> set[str]:
    return {str(dataset.SOPInstanceUID) for dataset in datasets}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, {"ct1", "rgb", "sr"}),
        ({"search_filters": {"PatientID": "197001012388"}}, {"rgb"}),
        ({"search_filters": {"PatientName": "Åkesson*", "StudyDate": "20260302"}}, {"ct1"}),
        ({"search_filters": {"00100010": "svensson*"}, "fuzzymatching": True}, {"rgb"}),
        ({"fields": ["StudyDescription", "00081032"], "search_filters": {"PatientSex": "F"}}, {"rgb"}),
        ({"limit": 1, "offset": 0, "get_remaining": True}, {"ct1", "rgb", "sr"}),
        ({"limit": 2, "offset": 1}, {"ct1", "rgb"}),
        ({"additional_params": {"ModalitiesInStudy": "SR"}}, {"sr"}),
    ],
)
def test_search_for_studies(archive, client, options, names):
    found = client.search_for_studies(**options)
    assert {value_of(row, "0020000D") for row in found} == {uids(archive[name])[0] for name in names}


def test_search_for_series_and_instances(archive, client):
    study, series, _ = uids(archive["ct1"])
    assert len(client.search_for_series()) > 2
    assert {value_of(row, "00080060") for row in client.search_for_series(study)} == {"CT", "PT"}
    assert len(client.search_for_series(study, search_filters={"Modality": "PT"}, fields=["SeriesDate"])) == 1
    assert len(client.search_for_instances()) == len(archive.known)
    assert len(client.search_for_instances(study)) == 4
    assert len(client.search_for_instances(study, series)) == 3
    assert len(client.search_for_instances(study, series, limit=1, get_remaining=True)) == 3


def test_metadata(archive, client):
    study, series, instance = uids(archive["ct1"])
    assert len(client.retrieve_study_metadata(study)) == 4
    assert len(client.retrieve_series_metadata(study, series)) == 3
    document = client.retrieve_instance_metadata(study, series, instance)
    dataset = pydicom.Dataset.from_json(document, bulk_data_uri_handler=lambda _: b"")
    assert dataset.PatientName == archive["ct1"].dataset.PatientName
    assert dataset.PixelSpacing == archive["ct1"].dataset.PixelSpacing


@pytest.mark.parametrize(
    "media_types", [None, (("application/dicom", "*"),), (("application/dicom", EXPLICIT),)]
)
@pytest.mark.parametrize("name", ["ct1", "rgb", "sr"])
def test_study_and_series_and_instance(archive, client, name, media_types):
    study, series, instance = uids(archive[name])
    assert sop_uids(client.retrieve_study(study, media_types=media_types)) == of_study(archive, name)
    assert sop_uids(client.iter_study(study, media_types=media_types)) == of_study(archive, name)
    assert instance in sop_uids(client.retrieve_series(study, series, media_types=media_types))
    assert isinstance(client.iter_series(study, series, media_types=media_types), Iterator)
    assert instance in sop_uids(client.iter_series(study, series, media_types=media_types))
    received = client.retrieve_instance(study, series, instance, media_types=media_types)
    assert received.SOPInstanceUID == instance


def test_frames(archive, client):
    target = uids(archive["multiframe"])
    expected = [frame.astype("<u2").tobytes() for frame in archive["multiframe"].pixels]
    assert client.retrieve_instance_frames(*target, [1, 5]) == [expected[0], expected[4]]
    assert list(client.iter_instance_frames(*target, [2, 3])) == expected[1:3]
    octets = (("application/octet-stream", EXPLICIT),)
    assert client.retrieve_instance_frames(*target, [1], media_types=octets) == expected[:1]


@pytest.mark.parametrize(
    ("name", "media_type", "syntax"),
    [
        ("jpeg", "image/jpeg", "1.2.840.10008.1.2.4.50"),
        ("jpeg_ls", "image/jls", "1.2.840.10008.1.2.4.80"),
        ("jpeg_2000", "image/jp2", "1.2.840.10008.1.2.4.90"),
    ],
)
def test_compressed_frames(archive, client, name, media_type, syntax):
    [frame] = client.retrieve_instance_frames(*uids(archive[name]), [1], media_types=((media_type, syntax),))
    assert frame.rstrip(b"\0") in archive[name].file


@pytest.mark.parametrize(
    ("media_type", "kind"), [("image/jpeg", "JPEG"), ("image/png", "PNG"), ("image/gif", "GIF")]
)
def test_rendered(archive, client, media_type, kind):
    target = uids(archive["pt"])
    whole = client.retrieve_instance_rendered(
        *target, media_types=(media_type,), params={"viewport": "16,16"}
    )
    assert Image.open(io.BytesIO(whole)).format == kind
    frame = client.retrieve_instance_frames_rendered(*target, [1], media_types=(media_type,))
    assert Image.open(io.BytesIO(frame)).size == (32, 32)


def test_a_rendered_document(archive, client):
    text = client.retrieve_instance_rendered(*uids(archive["sr"]), media_types=("text/html",))
    assert "Inga fynd" in (text.decode() if isinstance(text, bytes) else text)


def test_bulk_data(archive, client):
    document = client.retrieve_instance_metadata(*uids(archive["ct1"]))
    uri = document["7FE00010"]["BulkDataURI"]
    pixels = archive["ct1"].dataset.PixelData
    assert client.retrieve_bulkdata(uri) == [pixels]
    assert list(client.iter_bulkdata(uri)) == [pixels]
    assert client.retrieve_bulkdata(uri, media_types=("application/octet-stream",)) == [pixels]


@pytest.mark.parametrize("chunk_size", [None, 10_000])
def test_store_in_one_piece_and_in_chunks(inbox, chunk_size):
    client = connect(inbox, **({"chunk_size": chunk_size} if chunk_size else {}))
    study = StudyFacts(patient_id="python-client")
    datasets = [pydicom.dcmread(io.BytesIO(file)) for file in make_series(study, 3, rows=64, columns=64)]
    answer = client.store_instances(datasets)
    assert {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence} == sop_uids(datasets)
    assert "FailedSOPSequence" not in answer
    again = client.store_instances(datasets, study_instance_uid=study.study_instance_uid)
    assert len(again.ReferencedSOPSequence) == 3
    received = client.retrieve_study(study.study_instance_uid)
    assert {dataset.SOPInstanceUID: dataset.PixelData for dataset in received} == {
        dataset.SOPInstanceUID: dataset.PixelData for dataset in datasets
    }


def test_delete(inbox):
    client = connect(inbox)
    study = StudyFacts(patient_id="python-client-delete")
    datasets = [pydicom.dcmread(io.BytesIO(file)) for file in make_series(study, 3)]
    client.store_instances(datasets)
    series = datasets[0].SeriesInstanceUID
    client.delete_instance(study.study_instance_uid, series, datasets[0].SOPInstanceUID)
    assert sop_uids(client.retrieve_series(study.study_instance_uid, series)) == sop_uids(datasets[1:])
    client.delete_series(study.study_instance_uid, series)
    client.store_instances(datasets[1:])
    client.delete_study(study.study_instance_uid)
    with pytest.raises(HTTPError, match="410"):
        client.retrieve_study(study.study_instance_uid)


def test_errors_are_http_errors(client):
    with pytest.raises(HTTPError, match="404"):
        client.retrieve_study("1.2.3.4.5.6")
    with pytest.raises(HTTPError, match="400"):
        client.search_for_studies(additional_params={"limit": "x"})
