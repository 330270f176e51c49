"""One item as one answer: entity tags, conditions, ranges, HEAD."""

import pytest

from repository.packs.reader import PackReader
from tests.repository.reading import body_of, parts_of, path_of
from tests.support import dicom

pytestmark = pytest.mark.django_db
AS_STORED = "application/dicom; transfer-syntax=*"
FRAME = "application/octet-stream; transfer-syntax=*"


@pytest.fixture
def file(vendor):
    """A CT of four frames, stored."""
    file = dicom.make_ct(number_of_frames=4)
    assert vendor.store(file).status_code == 200
    return file


@pytest.fixture(params=["", "/frames/2", "/bulkdata/7FE00010", "/pixeldata"])
def resource(request, file):
    """A resource that is one item, and what it is asked as."""
    accept = AS_STORED if request.param == "" else FRAME
    return path_of(file) + request.param, accept


def ask(vendor, resource, **headers):
    path, accept = resource
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return vendor.client.get(f"/dicom-web{path}", headers={**vendor.headers, "Accept": accept, **sent})


def test_an_item_has_a_strong_tag_and_its_length(vendor, resource):
    whole = ask(vendor, resource)
    body = body_of(whole)
    assert whole["ETag"].startswith('"')
    assert int(whole["Content-Length"]) == len(body) > 0
    assert whole["Accept-Ranges"] == "bytes"
    assert "private" in whole["Cache-Control"]
    again = ask(vendor, resource)
    assert (again["ETag"], body_of(again)) == (whole["ETag"], body)


def test_what_the_client_has_is_not_sent_again(vendor, resource):
    tag = ask(vendor, resource)["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        response = ask(vendor, resource, If_None_Match=known)
        assert (response.status_code, response.content, response["ETag"]) == (304, b"", tag)
        assert "Content-Type" not in response
    assert ask(vendor, resource, If_None_Match='"other"').status_code == 200
    assert ask(vendor, resource, If_Match='"other"').status_code == 412


def test_what_the_client_has_is_not_decoded_again(vendor, monkeypatch):
    file = dicom.make_ct(transfer_syntax_uid=dicom.RLE)
    vendor.store(file)
    resource = f"{path_of(file)}/frames/1", "application/octet-stream"
    tag = ask(vendor, resource)["ETag"]
    monkeypatch.delattr("repository.stored_frames.read_frames")
    assert ask(vendor, resource, If_None_Match=tag).status_code == 304


def test_a_part_of_it_is_a_part_of_the_whole(vendor, resource):
    whole = ask(vendor, resource)
    body = body_of(whole)
    size = len(body)
    for wanted, start, end in (
        ("0-9", 0, 10),
        ("5-", 5, size),
        ("-7", size - 7, size),
        (f"3-{size}0", 3, size),
    ):
        response = ask(vendor, resource, Range=f"bytes={wanted}")
        assert response.status_code == 206
        assert response["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
        assert (body_of(response), int(response["Content-Length"])) == (body[start:end], end - start)
        assert (response["ETag"], response["Content-Type"]) == (whole["ETag"], whole["Content-Type"])
    response = ask(vendor, resource, Range=f"bytes={size}-")
    assert (response.status_code, response["Content-Range"]) == (416, f"bytes */{size}")
    assert b"behind the end" in response.content
    for wanted in ("bytes=0-1,4-5", "bytes=9-2", "pages=1-2"):
        response = ask(vendor, resource, Range=wanted)
        assert (response.status_code, body_of(response)) == (200, body)


def test_a_range_holds_only_for_the_tag_it_names(vendor, resource):
    tag = ask(vendor, resource)["ETag"]
    assert ask(vendor, resource, Range="bytes=0-1", If_Range=tag).status_code == 206
    assert ask(vendor, resource, Range="bytes=0-1", If_Range='"older"').status_code == 200


def test_head_gives_the_headers_of_get_without_the_body(vendor, resource):
    path, accept = resource
    whole = ask(vendor, resource)
    head = vendor.client.head(f"/dicom-web{path}", headers={**vendor.headers, "Accept": accept})
    assert head.status_code == 200
    assert body_of(head) == b""
    for name in ("ETag", "Content-Length", "Content-Type", "Accept-Ranges", "Vary"):
        assert head[name] == whole[name]


def test_head_takes_no_place_and_errors_have_their_length(vendor, file, settings):
    settings.MAX_TRANSFERS_PER_CLIENT = 1
    for _ in range(3):
        path = f"/dicom-web{path_of(file, 'series')}"
        assert vendor.client.head(path, headers=vendor.headers).status_code == 200
    missing = vendor.client.head(f"/dicom-web/studies/{dicom.make_uid()}", headers=vendor.headers)
    assert (missing.status_code, int(missing["Content-Length"]) > 0) == (404, True)


def test_tags_differ_by_instance_syntax_frame_and_kind(vendor, file):
    other = dicom.make_ct(number_of_frames=4, transfer_syntax_uid=dicom.RLE)
    vendor.store(other)
    path, rle = path_of(file), path_of(other)
    asked = [
        (path, AS_STORED),
        (f"{path}/frames/1", FRAME),
        (f"{path}/frames/2", FRAME),
        (f"{path}/bulkdata/7FE00010", FRAME),
        (f"{path}/frames/1", "*/*"),
        (rle, AS_STORED),
        (rle, "application/dicom"),
        (f"{rle}/frames/1", "image/dicom-rle"),
        (f"{rle}/frames/1", "application/octet-stream"),
        (f"{path}/frames/1,2", "*/*"),
        (f"{path}/frames/2,1", "*/*"),
        (path, "*/*"),
        (path_of(file, "study"), 'multipart/related; type="application/octet-stream"'),
    ]
    tags = [vendor.get(where, accept)["ETag"].removeprefix("W/") for where, accept in asked]
    assert len(set(tags)) == len(tags)


def test_a_name_with_a_nul_is_the_name_of_nothing(vendor, file):
    for path in ("/studies/%00", f"{path_of(file)}%00/metadata", f"{path_of(file)}/bulkdata/%00"):
        assert vendor.get(path).status_code == 404


def test_multipart_has_a_weak_tag_and_no_ranges(vendor, file):
    path = path_of(file, "series")
    whole = ask(vendor, (path, "*/*"), Range="bytes=0-9")
    assert (whole.status_code, whole["ETag"][:3]) == (200, 'W/"')
    assert "Accept-Ranges" not in whole
    [part] = parts_of(whole)
    assert part.get_payload(decode=True)[128:] == file[128:]
    again = ask(vendor, (path, "*/*"), If_None_Match=whole["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    vendor.store(
        dicom.make_ct(
            dicom.StudyFacts(study_instance_uid=path.split("/")[2]), series_instance_uid=path.split("/")[4]
        )
    )
    changed = ask(vendor, (path, "*/*"), If_None_Match=whole["ETag"])
    assert (changed.status_code, len(parts_of(changed))) == (200, 2)


def test_a_tag_is_no_way_around_the_right_to_read(vendor, foreigner, resource):
    tag = ask(vendor, resource)["ETag"]
    for wanted in (tag, "*"):
        assert ask(foreigner, resource, If_None_Match=wanted).status_code == 404
    wrong = vendor.client.get(f"/dicom-web{resource[0]}", headers={"If-None-Match": tag})
    assert wrong.status_code == 401


def test_a_range_reads_only_its_blocks(vendor, monkeypatch):
    file = dicom.make_ct(number_of_frames=5, rows=512, columns=512)
    assert vendor.store(file).status_code == 200
    asked = []
    blocks = PackReader.blocks

    def watch(self, offset, length):
        asked.append(length)
        return blocks(self, offset, length)

    monkeypatch.setattr(PackReader, "blocks", watch)
    for suffix in ("", "/frames/3", "/bulkdata/7FE00010"):
        asked.clear()
        accept = FRAME if suffix else AS_STORED
        response = ask(vendor, (path_of(file) + suffix, accept), Range="bytes=1000-1099")
        assert (response.status_code, len(body_of(response)), asked) == (206, 100, [100])
