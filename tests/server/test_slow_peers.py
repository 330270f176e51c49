"""Slow and stalled peers hold threads; everybody else must not notice."""

from collections import Counter

import pytest

from tests.support.dicom import StudyFacts, make_boundary, make_series, multipart_body
from tests.support.http import bearer, list_stored, make_pool, search, store
from tests.support.samsyn import SamsynServer
from tests.support.slow_peers import SlowPeers, open_download, open_upload

pytestmark = pytest.mark.server

SLOW_BYTES_PER_S = 125_000  # 1 Mbit/s
UPLOADS = DOWNLOADS = 60
STALLED = 10
ROUNDS = 60


@pytest.fixture(scope="module")
def stored(samsyn_server: SamsynServer) -> tuple[StudyFacts, str]:
    """A study of 42 MB to fetch, and the token of the client that stored it."""
    token = samsyn_server.issue_token("owner")
    study = StudyFacts()
    answer = store(
        make_pool(), samsyn_server.dicomweb_url, token, make_series(study, 20, rows=1024, columns=1024)
    )
    assert len(list_stored(answer)) == 20
    return study, token


def test_short_requests_are_answered_beside_130_slow_transfers(
    samsyn_server: SamsynServer, stored: tuple[StudyFacts, str]
) -> None:
    study, owner = stored
    path = f"/dicom-web/studies/{study.study_instance_uid}"
    tokens = samsyn_server.issue_tokens([f"slow-{number}" for number in range(UPLOADS // 4)])
    boundary = make_boundary()
    body = multipart_body(make_series(StudyFacts(), 10, rows=1024, columns=1024), boundary)
    port = samsyn_server.port
    stalled = [open_upload(port, tokens[n], body, boundary, bytes_per_s=0) for n in range(STALLED // 2)]
    stalled += [open_download(port, tokens[n], path, bytes_per_s=0) for n in range(STALLED // 2)]
    uploads = [
        open_upload(port, tokens[n % len(tokens)], body, boundary, bytes_per_s=SLOW_BYTES_PER_S)
        for n in range(UPLOADS)
    ]
    downloads = [
        open_download(port, tokens[n % len(tokens)], path, bytes_per_s=SLOW_BYTES_PER_S)
        for n in range(DOWNLOADS)
    ]
    pool = make_pool()
    series = search(pool, samsyn_server.dicomweb_url, owner, f"studies/{study.study_instance_uid}/instances")
    frames = [
        f"{samsyn_server.url}{path}/series/{row['0020000E']['Value'][0]}"
        f"/instances/{row['00080018']['Value'][0]}/frames/1"
        for row in series
    ]
    with SlowPeers(uploads + downloads + stalled) as peers:
        assert peers.wait_for(lambda: all(peer.moved_bytes or peer.status for peer in uploads + downloads))
        answers: Counter[tuple[str, int]] = Counter()
        for number in range(ROUNDS):
            answer = pool.request(
                "GET",
                f"{samsyn_server.dicomweb_url}/studies",
                fields={"StudyInstanceUID": study.study_instance_uid},
                headers=bearer(owner),
            )
            answers["search", answer.status] += 1
            assert len(answer.json()) == 1
            answer = pool.request("GET", frames[number % len(frames)], headers=bearer(owner))
            answers["frame", answer.status] += 1
            assert len(answer.data) > 2 * 1024 * 1024
        under_way = [peer for peer in uploads + downloads if not peer.closed and peer.status in (None, 200)]

    assert answers == {("search", 200): ROUNDS, ("frame", 200): ROUNDS}
    assert len(under_way) >= 40, "too few transfers were under way while the others asked"
    assert not [peer for peer in uploads + downloads if peer.closed and peer.status is None], (
        "cut without a word"
    )
    refused = [peer for peer in uploads + downloads + stalled if peer.status not in (None, 200)]
    assert {peer.status for peer in refused} <= {429, 503}
    assert all(peer.retry_after for peer in refused)


def test_a_client_beyond_its_share_is_told_when_to_come_back(
    samsyn_server: SamsynServer, stored: tuple[StudyFacts, str]
) -> None:
    """One client opens more uploads than it may; another one still gets in."""
    greedy, modest = samsyn_server.issue_tokens(["greedy", "modest"])
    boundary = make_boundary()
    body = multipart_body(make_series(StudyFacts(), 4, rows=1024, columns=1024), boundary)
    uploads = [
        open_upload(samsyn_server.port, greedy, body, boundary, bytes_per_s=SLOW_BYTES_PER_S)
        for _ in range(20)
    ]
    with SlowPeers(uploads) as peers:
        assert peers.wait_for(lambda: sum(peer.status == 429 for peer in uploads) >= 12)
        answer = store(make_pool(), samsyn_server.dicomweb_url, modest, make_series(StudyFacts(), 2))
        assert answer.status == 200
        admitted = [peer for peer in uploads if peer.status is None and not peer.closed]
    assert 1 <= len(admitted) <= 8, "four a client in each of two workers"
    assert {peer.status for peer in uploads} <= {None, 200, 429}
    assert all(int(peer.retry_after or 0) >= 1 for peer in uploads if peer.status == 429)


def test_a_server_whose_places_are_taken_says_so(
    samsyn_server: SamsynServer, stored: tuple[StudyFacts, str]
) -> None:
    """As many clients as there are places in two workers, and more, each with one upload."""
    tokens = samsyn_server.issue_tokens([f"one-of-many-{number}" for number in range(44)])
    boundary = make_boundary()
    body = multipart_body(make_series(StudyFacts(), 4, rows=1024, columns=1024), boundary)
    uploads = [
        open_upload(samsyn_server.port, token, body, boundary, bytes_per_s=SLOW_BYTES_PER_S)
        for token in tokens
    ]
    with SlowPeers(uploads) as peers:
        assert peers.wait_for(lambda: sum(peer.status == 503 for peer in uploads) >= 12)
        assert {peer.status for peer in uploads} <= {None, 503}
        assert all(int(peer.retry_after or 0) >= 1 for peer in uploads if peer.status == 503)
