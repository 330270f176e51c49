"""Headers made to cost or to lie: what they may use is counted, and every one of them gets an answer."""

import time
from contextlib import suppress

import pytest

from registry.models import Instance
from repository.dicomweb.store_response import DETAIL
from repository.frames import find_frames
from repository.header import budget, strict
from repository.header.errors import HeaderTooLarge, Part10Error
from repository.part10 import read_header
from tests.repository.conftest import outcome
from tests.support import dicom
from tests.support.hostile import COSTLY, LYING, PREAMBLES, make_many_elements, make_many_items, with_preamble

CPU_S = 3.0  # a second on a core of its own; a shared one may take three times as long


@pytest.mark.long
@pytest.mark.parametrize("name", COSTLY)
def test_no_header_costs_more_than_a_second(name):
    file = COSTLY[name]()
    start = time.process_time()
    with suppress(Part10Error):
        find_frames(file, read_header(file))
    assert time.process_time() - start < CPU_S


def test_elements_beyond_what_the_size_of_the_file_allows_are_not_read(monkeypatch):
    monkeypatch.setattr(strict, "FREE_ELEMENTS", 1000)
    file = make_many_elements(2000)
    limit = 1000 + len(file) // strict.BYTES_AN_ELEMENT
    with pytest.raises(HeaderTooLarge, match=f"more than {limit} elements"):
        read_header(file)
    assert read_header(make_many_elements(900)).parsed_by == "strict"


def test_a_large_image_may_have_a_large_header(monkeypatch):
    monkeypatch.setattr(strict, "FREE_ELEMENTS", 1000)
    elements = make_many_elements(3000)
    at = elements.rindex(b"\xe0\x7f\x10\x00")
    large = dicom.make_ct(rows=512, columns=512)
    file = elements[:at] + large[large.rindex(b"\xe0\x7f\x10\x00") :]
    assert len(read_header(file).attributes) > 3000


def test_what_the_lenient_reader_may_spend_is_counted():
    file = COSTLY["130,000 big endian elements"]()
    assert budget.MAX_READS < 130_000
    with pytest.raises(HeaderTooLarge, match="unusual encoding"):
        read_header(file)


def test_a_long_sequence_is_stored_whole():
    header = read_header(make_many_items(20_000))
    assert len(header.attributes["0040A730"]["Value"]) == 20_000


@pytest.mark.django_db
@pytest.mark.parametrize("kind", PREAMBLES)
def test_a_file_that_is_something_else_too_is_only_dicom_when_it_leaves(vendor, kind):
    file = with_preamble(PREAMBLES[kind])
    response = vendor.store(file)
    assert response.status_code == 200
    [item] = outcome(response)["referenced"]
    path = item["00081190"]["Value"][0].removeprefix("http://testserver/dicom-web")
    answer = vendor.get(path, "application/dicom")
    assert answer.getvalue() == bytes(128) + file[128:]
    assert answer["Content-Type"].startswith("application/dicom")
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db
@pytest.mark.parametrize("name", LYING)
def test_a_file_that_lies_is_stored_with_a_remark_or_refused_with_a_reason(vendor, name):
    file = LYING[name]()
    response = vendor.store(file)
    assert response.status_code in (200, 202, 409)
    answered = outcome(response)
    items = answered["failed"] + answered["other"]
    if items:
        assert len(items[0][DETAIL]["Value"][0]) > 10
        return
    [item] = answered["referenced"]
    path = item["00081190"]["Value"][0].removeprefix("http://testserver/dicom-web")
    for resource in ("", "/metadata", "/frames/1", "/frames/3", "/rendered"):
        answer = vendor.get(path + resource)
        assert answer.status_code in (200, 404, 406), (resource, answer.status_code)
    assert Instance.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity"])
def test_a_compressed_request_is_not_taken(vendor, encoding):
    response = vendor.store(dicom.make_ct(), **{"Content-Encoding": encoding})
    assert response.status_code == 415
    assert Instance.objects.count() == 0


@pytest.mark.django_db
def test_thousands_of_parts_that_are_nothing_have_an_item_each(vendor):
    response = vendor.store(*[b"x"] * 3000, dicom.make_ct())
    assert response.status_code == 202
    answered = outcome(response)
    assert (len(answered["other"]), len(answered["referenced"])) == (3000, 1)
