"""Metadata of many instances: whole documents pass as they are stored, what is gone is cut out."""

import gzip
import io
import json
import zipfile

import pytest
import zstandard

from registry.models import Instance, Segment
from registry.wire.dicom_xml import dicom_json_of_xml
from tests.repository.reading import parts_of
from tests.support import dicom

pytestmark = pytest.mark.django_db


def read(response):
    body = b"".join(response.streaming_content) if response.streaming else response.content
    if response.headers.get("Content-Encoding") == "zstd":
        with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
            body = reader.read()
    if response.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
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


@pytest.mark.parametrize("encoding", ["", "br", "*", "zstd;q=0", "zstd;q=0.000, gzip;q=0"])
def test_who_names_no_coding_gets_plain_json_with_absolute_bulk_uris(vendor, series, encoding):
    path, stored = series
    response = vendor.client.get(
        f"/dicom-web{path}", headers={**vendor.headers, **({"Accept-Encoding": encoding} if encoding else {})}
    )
    assert "Content-Encoding" not in response.headers
    assert "Accept-Encoding" in response["Vary"]
    documents = read(response)
    assert sorted(uids(documents)) == sorted(stored)
    assert documents[0]["7FE00010"]["BulkDataURI"].startswith("http://testserver/dicom-web/")


@pytest.mark.parametrize(
    ("encoding", "coding"),
    [
        ("zstd", "zstd"),
        ("gzip, zstd", "zstd"),
        ("br;q=1.0, ZSTD; q=0.8", "zstd"),
        ("gzip, deflate, br", "gzip"),
    ],
)
@pytest.mark.parametrize("kept_bytes", [0, 128 << 10])
def test_codings_change_nothing_of_what_is_said(vendor, series, encoding, coding, kept_bytes, monkeypatch):
    monkeypatch.setattr("repository.dicomweb.metadata.KEPT_BYTES", kept_bytes)
    path, stored = series
    plain = vendor.get(path)
    response = vendor.client.get(f"/dicom-web{path}", headers={**vendor.headers, "Accept-Encoding": encoding})
    assert response["Content-Encoding"] == coding
    documents = read(response)
    assert documents == read(plain)
    assert sorted(uids(documents)) == sorted(stored)
    one = path.replace("/metadata", f"/instances/{stored[3]}/metadata")
    response = vendor.client.get(f"/dicom-web{one}", headers={**vendor.headers, "Accept-Encoding": encoding})
    assert (response["Content-Encoding"], read(response)) == (coding, read(vendor.get(one)))


def test_relative_bulk_uris_by_setting(vendor, series, settings):
    settings.RELATIVE_BULK_DATA_URIS = True
    path, stored = series
    one = path.replace("/metadata", f"/instances/{stored[3]}/metadata")
    for encoding in ("", "zstd", "gzip"):
        for where in (path, one):
            headers = {**vendor.headers, "Accept-Encoding": encoding}
            documents = read(vendor.client.get(f"/dicom-web{where}", headers=headers))
            assert documents[0]["7FE00010"]["BulkDataURI"].startswith("/dicom-web/studies/")
            settings.PUBLIC_BASE_URL = "https://pacs.example.org/region"
            documents = read(vendor.client.get(f"/dicom-web{where}", headers=headers))
            assert documents[0]["7FE00010"]["BulkDataURI"].startswith("/region/dicom-web/studies/")
            settings.PUBLIC_BASE_URL = ""


def test_an_instance_that_is_gone_is_in_no_coding(vendor, series):
    path, stored = series
    Instance.objects.get(sop_instance_uid=stored[2]).delete()
    for encoding in ("", "zstd", "gzip"):
        response = vendor.client.get(
            f"/dicom-web{path}", headers={**vendor.headers, "Accept-Encoding": encoding}
        )
        assert sorted(uids(read(response))) == sorted(stored[:2] + stored[3:])


def test_metadata_that_did_not_change_is_not_sent_again(vendor, foreigner, series):
    path, stored = series
    one = path.replace("/metadata", f"/instances/{stored[3]}/metadata")
    tags = set()
    for where in (path, one, path.partition("/series")[0] + "/metadata"):
        for accept in (
            "application/dicom+json",
            'multipart/related; type="application/dicom+xml"',
            "application/zip",
        ):
            for encoding in ("", "gzip", "zstd"):
                headers = {**vendor.headers, "Accept": accept, "Accept-Encoding": encoding}
                tag = vendor.client.get(f"/dicom-web{where}", headers=headers)["ETag"]
                tags.add(tag)
                again = vendor.client.get(f"/dicom-web{where}", headers={**headers, "If-None-Match": tag})
                assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
                assert "Content-Encoding" not in again
        hidden = foreigner.client.get(
            f"/dicom-web{where}", headers={**foreigner.headers, "If-None-Match": tag}
        )
        assert hidden.status_code == 404
    assert len(tags) == 3 * 7  # a zip archive is not coded again
    tag = vendor.get(path)["ETag"]
    Instance.objects.get(sop_instance_uid=stored[2]).delete()
    assert vendor.get(path)["ETag"] != tag


def test_xml_says_what_json_says(vendor, series):
    path, stored = series
    one = path.replace("/metadata", f"/instances/{stored[3]}/metadata")
    for where in (path, one):
        response = vendor.get(where, 'multipart/related; type="application/dicom+xml"')
        assert response["Content-Type"].startswith(
            'multipart/related; type="application/dicom+xml"; boundary='
        )
        parts = parts_of(response)
        assert {part["Content-Type"] for part in parts} == {"application/dicom+xml"}
        documents = [dicom_json_of_xml(part.get_payload(decode=True)) for part in parts]
        assert [level(document) for document in documents] == [level(d) for d in read(vendor.get(where))]
        for part, document in zip(parts, documents, strict=True):
            again = vendor.get(part["Content-Location"].removeprefix("http://testserver/dicom-web"))
            assert uids(read(again)) == uids([document])
    assert vendor.get(path, "application/dicom+xml").status_code == 406


def level(value):
    """Turn numbers into what JSON and XML both can say: XML has text only."""
    if isinstance(value, dict):
        return {key: level(item) for key, item in value.items()}
    if isinstance(value, list):
        return [level(item) for item in value]
    return float(value) if isinstance(value, int | float) else _number(value)


def _number(value):
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def test_metadata_in_a_zip_archive_is_one_json_document(vendor, series):
    path, stored = series
    response = vendor.get(path, "application/zip")
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"] == 'attachment; filename="metadata.zip"'
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    assert sorted(uids(json.loads(archive.read("metadata.json")))) == sorted(stored)


@pytest.mark.parametrize(
    "query",
    [
        "includefield=00280010,Columns",
        "includefield=Rows&includefield=00280011",
        "includefield=rows,Rows,00280011,%C3%A5%22",
    ],
)
def test_metadata_may_be_certain_attributes_only(vendor, series, query):
    path, stored = series
    one = path.replace("/metadata", f"/instances/{stored[3]}/metadata")
    kept = {"00080005", "00080016", "00080018", "0020000D", "0020000E", "00280010", "00280011"}
    for where in (path, one):
        whole = read(vendor.get(where))
        response = vendor.get(f"{where}?{query}")
        assert read(response) == [{tag: d[tag] for tag in d if tag in kept} for d in whole]
        assert ("includefield" in response.get("Warning", "")) == ("rows," in query)
        assert read(vendor.get(f"{where}?{query}&includefield=all")) == whole


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
