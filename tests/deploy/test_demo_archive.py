"""The demo's archive, spoken to by the client of deliveries' peer: another STOW-RS client, and by hand."""

import urllib.error
import urllib.request

import pytest
import urllib3

from deploy.demo.archive import PATH, bind_demo_archive, make_archive_url
from deploy.demo.organisation import create_organisation, create_subscriptions
from deploy.region.facts import RegionSize
from deploy.region.plan import plan_region
from registry.models import Destination, Subscription
from tests.support.dicom import StudyFacts, iterate_multipart, make_boundary, make_series
from tests.support.http import list_stored, make_pool, store_stream

pytestmark = pytest.mark.django_db


@pytest.fixture
def archive():
    region = plan_region(RegionSize(patients=1, studies=1))
    create_organisation(region)
    create_subscriptions(region)
    bound = bind_demo_archive()
    assert bound is not None
    bound.serve()
    yield bound
    bound.close()


def send(parts) -> urllib3.BaseHTTPResponse:
    url = Destination.objects.order_by("pk")[0].url.removesuffix("/studies")
    boundary = make_boundary()
    return store_stream(make_pool(), url, "token", iterate_multipart(parts, boundary), boundary)


def test_without_a_demo_there_is_no_archive():
    assert bind_demo_archive() is None


def test_every_destination_of_the_demo_points_at_the_archive(archive):
    port = archive.server.server_address[1]
    rows = list(Destination.objects.select_related("department"))
    assert len(rows) == Subscription.objects.count() == 3
    for row in rows:
        assert row.active
        assert row.url == make_archive_url(row.department.hsa_id, port)
        assert PATH in row.url


def test_a_new_start_finds_a_new_port_and_forgives_the_old_silence(archive):
    Destination.objects.update(breaker=Destination.OPEN, consecutive_failures=9, last_error="silence")
    again = bind_demo_archive()
    assert again is not None
    port = again.server.server_address[1]
    again.server.server_close()
    for row in Destination.objects.all():
        assert f":{port}/" in row.url
        assert (row.breaker, row.consecutive_failures, row.last_error) == (Destination.CLOSED, 0, "")


def test_chunked_instances_are_named_as_stored(archive):
    series = make_series(StudyFacts(), 4, rows=256, columns=256)
    pieces = [iter([instance[:1000], instance[1000:]]) for instance in series]
    answer = send(pieces)
    assert answer.status == 200
    assert len(set(list_stored(answer))) == 4


def test_rubbish_is_refused_beside_what_is_good(archive):
    (instance,) = make_series(StudyFacts(), 1)
    answer = send([iter([instance]), iter([b"rubbish" * 40])])
    assert answer.status == 202
    assert len(list_stored(answer)) == 1
    assert len(answer.json()["0008119A"]["Value"]) == 1
    assert send([iter([b"rubbish" * 40])]).status == 409


def test_a_cut_body_and_a_missing_token_are_errors(archive):
    url = Destination.objects.order_by("pk")[0].url
    boundary = make_boundary()
    body = iter([f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode(), b"cut"])
    assert store_stream(make_pool(), url.removesuffix("/studies"), "token", body, boundary).status == 400
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(url, b"x", {"Content-Type": "text/plain"}), timeout=10)
    assert caught.value.code == 401
