"""Who is turned away, and in which words: a client beyond its share, and everybody when the server is full."""

import threading
from collections import Counter
from io import BytesIO

import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread

from access.actor import Actor, Scope
from repository.admission import (
    DOWNLOADS,
    UPLOADS,
    AllPlacesTaken,
    Gate,
    ShareUsedUp,
    admitted_upload,
)
from tests.repository.conftest import make_vendor
from tests.support import dicom

pytestmark = pytest.mark.django_db


def actor_named(name: str) -> Actor:
    return Actor(kind="system", subject=name, scope=Scope(), permissions=frozenset({"store"}))


def test_a_client_beyond_its_share_is_429(vendor, department, settings):
    settings.MAX_TRANSFERS_PER_CLIENT = 1
    settings.MAX_UPLOADS = 2
    with admitted_upload(actor_named("pacs-a")):
        response = vendor.store(dicom.make_ct())
        assert response.status_code == 429
        assert 2 <= int(response["Retry-After"]) <= 8
        assert "as many as one client may" in response.json()["error"]
        assert make_vendor(department, "modest").store(dicom.make_ct()).status_code == 200
    assert vendor.store(dicom.make_ct()).status_code == 200


def test_a_server_that_is_full_is_503(vendor, settings):
    settings.MAX_UPLOADS = 1
    with admitted_upload(actor_named("somebody-else")):
        response = vendor.store(dicom.make_ct())
        assert response.status_code == 503
        assert 2 <= int(response["Retry-After"]) <= 8
    assert vendor.store(dicom.make_ct()).status_code == 200


def test_downloads_are_told_the_same(vendor, settings):
    study = dicom.StudyFacts()
    vendor.store(*dicom.make_series(study, 2))
    path = f"/studies/{study.study_instance_uid}"
    settings.MAX_TRANSFERS_PER_CLIENT = 0
    response = vendor.get(path)
    assert (response.status_code, int(response["Retry-After"]) > 0) == (429, True)
    settings.MAX_TRANSFERS_PER_CLIENT, settings.MAX_DOWNLOADS = 4, 0
    assert vendor.get(path).status_code == 503


def test_a_greedy_client_is_told_so_of_itself_when_the_server_is_full_too():
    gate = Gate("uploads")
    gate.enter("greedy", 2, 2)
    gate.enter("greedy", 2, 2)
    with pytest.raises(ShareUsedUp):
        gate.enter("greedy", 2, 2)
    with pytest.raises(AllPlacesTaken):
        gate.enter("modest", 2, 2)
    gate.leave("greedy")
    gate.enter("modest", 2, 2)


@pytest.mark.django_db(transaction=True)
def test_a_client_of_others_comes_back_after_a_429(live_server, vendor, settings):
    settings.MAX_TRANSFERS_PER_CLIENT = 1
    session = requests.Session()
    session.headers.update(vendor.headers)
    client = DICOMwebClient(f"{live_server.url}/dicom-web", session=session)
    client.set_http_retry_params(max_attempts=6, wait_exponential_multiplier=200)
    seen: list[int] = []
    session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
    file = dicom.make_ct()
    UPLOADS.enter("system:pacs-a", 16, 1)
    threading.Timer(0.3, UPLOADS.leave, ["system:pacs-a"]).start()
    stored = client.store_instances([dcmread(BytesIO(file))])
    assert len(stored.ReferencedSOPSequence) == 1
    assert seen[0] == 429
    assert seen[-1] == 200


def test_whoever_was_turned_away_holds_no_place(vendor, settings):
    settings.MAX_TRANSFERS_PER_CLIENT = 0
    for _ in range(3):
        vendor.store(dicom.make_ct())
    assert UPLOADS._taken == DOWNLOADS._taken == Counter()
