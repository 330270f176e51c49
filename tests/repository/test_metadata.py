"""Metadata of many instances: whole documents pass as they are stored, what is gone is cut out."""

import json

import pytest
import zstandard

from registry.models import Instance, Segment
from tests.support import dicom

pytestmark = pytest.mark.django_db


def read(response):
    body = b"".join(response.streaming_content) if response.streaming else response.content
    if response.headers.get("Content-Encoding") == "zstd":
        with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
            body = reader.read()
    return json.loads(body)


def uids(documents):
    return [document["00080018"]["Value"][0] for document in documents]


@pytest.fixture
def series(vendor):
    """A series that came in three requests: path, and its UIDs in the order of arrival."""
    study, series_uid = dicom.StudyFacts(), dicom.make_uid()
    for _ in range(3):
        files = dicom.make_series(study, 2, series_instance_uid=series_uid)
        assert vendor.store(*files).status_code == 200
    path = f"/studies/{study.study_instance_uid}/series/{series_uid}/metadata"
    return path, list(Instance.objects.order_by("pk").values_list("sop_instance_uid", flat=True))


@pytest.mark.parametrize("encoding", ["", "gzip, br", "*", "zstd;q=0", "zstd;q=0.000"])
def test_who_does_not_name_zstd_gets_plain_json_with_absolute_bulk_uris(vendor, series, encoding):
    path, stored = series
    response = vendor.client.get(
        f"/dicom-web{path}", headers={**vendor.headers, **({"Accept-Encoding": encoding} if encoding else {})}
    )
    assert "Content-Encoding" not in response.headers
    assert "Accept-Encoding" in response["Vary"]
    documents = read(response)
    assert sorted(uids(documents)) == sorted(stored)
    assert documents[0]["7FE00010"]["BulkDataURI"].startswith("http://testserver/dicom-web/")


@pytest.mark.parametrize("encoding", ["zstd", "gzip, zstd", "br;q=1.0, ZSTD; q=0.8"])
def test_who_takes_zstd_gets_the_stored_frames_with_relative_bulk_uris(vendor, series, encoding):
    path, stored = series
    response = vendor.client.get(f"/dicom-web{path}", headers={**vendor.headers, "Accept-Encoding": encoding})
    assert response["Content-Encoding"] == "zstd"
    documents = read(response)
    assert sorted(uids(documents)) == sorted(stored)
    assert documents[0]["7FE00010"]["BulkDataURI"].startswith("/dicom-web/studies/")


def test_an_instance_that_is_gone_is_in_no_encoding(vendor, series):
    path, stored = series
    Instance.objects.get(sop_instance_uid=stored[2]).delete()
    for encoding in ("", "zstd"):
        response = vendor.client.get(
            f"/dicom-web{path}", headers={**vendor.headers, "Accept-Encoding": encoding}
        )
        assert "Content-Encoding" not in response.headers
        assert sorted(uids(read(response))) == sorted(stored[:2] + stored[3:])


def test_a_segment_without_instances_is_not_there(vendor, series):
    path, stored = series
    first = Segment.objects.order_by("pk")[0]
    Instance.objects.filter(segment=first).delete()
    response = vendor.client.get(f"/dicom-web{path}", headers={**vendor.headers, "Accept-Encoding": "zstd"})
    assert sorted(uids(read(response))) == sorted(stored[2:])
    Instance.objects.all().delete()
    assert vendor.get(path).status_code == 410


def test_more_segments_than_are_read_at_once(vendor, series, monkeypatch):
    path, stored = series
    monkeypatch.setattr("repository.metadata.SEGMENTS_AT_ONCE", 2)
    assert sorted(uids(read(vendor.get(path)))) == sorted(stored)


def test_metadata_of_one_instance(vendor, series):
    path, stored = series
    [document] = read(vendor.get(path.replace("/metadata", f"/instances/{stored[3]}/metadata")))
    assert document["00080018"]["Value"] == [stored[3]]
    assert document["7FE00010"]["BulkDataURI"].startswith("http://testserver/dicom-web/")
