"""Delete, reject and restore on a running server, asked by clients that we did not write."""

import io
import threading
from collections.abc import Callable

import numpy as np
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread

from tests.support.dicom import StudyFacts, make_ct, make_series, make_uid
from tests.support.http import bearer, make_pool, store
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

ROUNDS = 12


@pytest.fixture(scope="module")
def token(samsyn_server: SamsynServer) -> str:
    """A client that may do everything."""
    return samsyn_server.issue_token()


@pytest.fixture
def client(samsyn_server: SamsynServer, token: str) -> DICOMwebClient:
    """The Python client of the DICOM world."""
    return DICOMwebClient(samsyn_server.dicomweb_url, headers=bearer(token))


def status_of(error: pytest.ExceptionInfo[requests.HTTPError]) -> int:
    return error.value.response.status_code


def test_dicomweb_client_deletes_on_every_level(client: DICOMwebClient) -> None:
    facts = StudyFacts()
    files = [dcmread(io.BytesIO(f)) for f in (*make_series(facts, 2), *make_series(facts, 1))]
    client.store_instances(files)
    study, series = facts.study_instance_uid, files[0].SeriesInstanceUID
    client.delete_instance(study, series, files[0].SOPInstanceUID)
    assert len(client.search_for_instances(study)) == 2
    assert len(client.retrieve_series_metadata(study, series)) == 1
    with pytest.raises(requests.HTTPError) as gone:
        client.retrieve_instance(study, series, files[0].SOPInstanceUID)
    assert status_of(gone) == 410
    client.delete_series(study, series)
    assert len(client.search_for_series(study)) == 1
    client.delete_study(study)
    assert client.search_for_studies(search_filters={"StudyInstanceUID": study}) == []
    with pytest.raises(requests.HTTPError) as gone:
        client.delete_study(study)
    assert status_of(gone) == 410


def test_the_rejection_of_ohif_and_the_command_that_undoes_it(
    samsyn_server: SamsynServer, client: DICOMwebClient, token: str
) -> None:
    facts = StudyFacts()
    file = dcmread(io.BytesIO(make_ct(facts)))
    client.store_instances([file])
    study, series = facts.study_instance_uid, file.SeriesInstanceUID
    url = f"{samsyn_server.dicomweb_url}/studies/{study}/series/{series}/reject/113001%5EDCM"
    answer = make_pool().request("POST", url, headers=bearer(token))
    assert (answer.status, answer.data) == (204, b"")
    assert client.search_for_studies(search_filters={"StudyInstanceUID": study}) == []
    listed = samsyn_server.run_command("removals", "list", "--study", study)
    assert "reject (113001 Rejected for Quality Reasons)" in listed
    assert "recoverable until" in listed
    said = samsyn_server.run_command("removals", "restore", listed.split()[0])
    assert f"1 instances of study {study} are back" in said
    assert "restored" in samsyn_server.run_command("removals", "list", "--study", study)
    back = client.retrieve_instance(study, series, file.SOPInstanceUID)
    assert np.array_equal(back.pixel_array, file.pixel_array)


def test_deletes_that_race_with_stores_leave_what_both_agree_on(
    start_samsyn: Callable[..., SamsynServer],
) -> None:
    server = start_samsyn()
    token = server.issue_token()
    web = DICOMwebClient(server.dicomweb_url, headers=bearer(token))
    facts = StudyFacts()
    series = make_uid()
    files = make_series(facts, ROUNDS, series_instance_uid=series)
    uids = [dcmread(io.BytesIO(file)).SOPInstanceUID for file in files]
    store(make_pool(), server.dicomweb_url, token, files)
    statuses: list[int] = []

    def store_all() -> None:
        pool = make_pool()
        statuses.extend(store(pool, server.dicomweb_url, token, [file]).status for file in files * 2)

    def delete_all() -> None:
        pool = make_pool()
        for uid in uids[
            1:
        ]:  # one stays, or the study itself may be gone (410) when the last delete is the last of all
            path = f"/studies/{facts.study_instance_uid}/series/{series}/instances/{uid}"
            answer = pool.request("DELETE", server.dicomweb_url + path, headers=bearer(token))
            statuses.append(answer.status)

    threads = [threading.Thread(target=work) for work in (store_all, delete_all, store_all)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 204}
    listed = {i["00080018"]["Value"][0] for i in web.search_for_instances(facts.study_instance_uid)}
    there = {i.SOPInstanceUID for i in web.retrieve_study(facts.study_instance_uid)}
    assert there == listed
    assert uids[0] in listed
    [row] = web.search_for_series(facts.study_instance_uid)
    assert row["00201209"]["Value"] == [len(listed)]
    assert len(web.retrieve_study_metadata(facts.study_instance_uid)) == len(listed)
    assert store(make_pool(), server.dicomweb_url, token, files).status == 200
    assert len(web.search_for_instances(facts.study_instance_uid)) == ROUNDS
