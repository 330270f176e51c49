"""kill -9 at any moment: what was answered is there and whole, what was not can be sent again."""

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import urllib3

from tests.support.dicom import StudyFacts, make_series
from tests.support.http import list_stored, make_pool, read_sop_instance_uid, retrieve_study, search, store
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

PREAMBLE_BYTES = 128
SENDERS = 4
PATIENCE_S = 300.0


@dataclass(slots=True)
class Feed:
    """The requests of an import, each a few instances of one study, and which of them were answered with 200."""

    requests: tuple[tuple[str, tuple[bytes, ...]], ...]
    waiting: "queue.SimpleQueue[int]" = field(default_factory=queue.SimpleQueue)
    answered: set[int] = field(default_factory=set)
    unexpected: list[str] = field(default_factory=list)
    sent: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every request was answered with 200."""
        return len(self.answered) == len(self.requests)


def make_feed(instances: int, *, instances_a_request: int = 10, requests_a_study: int = 5) -> Feed:
    """Make an import of small instances: several requests a study, one series a request."""
    requests = []
    for number in range(instances // instances_a_request):
        if number % requests_a_study == 0:
            study = StudyFacts(accession_number=f"A{number}")
        files = make_series(study, instances_a_request, series_number=number % requests_a_study + 1)
        requests.append((study.study_instance_uid, files))
    feed = Feed(tuple(requests))
    for number in range(len(requests)):
        feed.waiting.put(number)
    return feed


def send(feed: Feed, server: SamsynServer, token: str) -> None:
    """Send requests until all are answered; a lost connection means: again."""
    pool = make_pool(timeout_s=60)
    while not feed.is_complete and not feed.unexpected:
        try:
            number = feed.waiting.get(timeout=0.2)
        except queue.Empty:
            continue
        files = feed.requests[number][1]
        feed.sent += 1
        try:
            answer = store(pool, server.dicomweb_url, token, files)
        except urllib3.exceptions.HTTPError:
            feed.waiting.put(number)
            time.sleep(0.05)
            continue
        if answer.status == 200 and len(list_stored(answer)) == len(files):
            feed.answered.add(number)
        elif answer.status == 503:
            feed.waiting.put(number)
        else:
            feed.unexpected.append(f"{answer.status}: {answer.data[:500]!r}")


@contextlib.contextmanager
def sending(feed: Feed, server: SamsynServer, token: str) -> Iterator[None]:
    """Send in the background for the length of the block, then wait until the feed is complete."""
    threads = [threading.Thread(target=send, args=(feed, server, token)) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    except BaseException:
        feed.unexpected.append("the test ended")
        raise
    finally:
        for thread in threads:
            thread.join(PATIENCE_S)


def assert_answered_is_whole(feed: Feed, server: SamsynServer, token: str) -> None:
    """Everything answered comes back byte for byte, and nothing comes back that is not byte for byte."""
    answered = set(feed.answered)
    pool = make_pool()
    studies = sorted({study for study, _ in feed.requests})
    for study in studies:
        sent = {
            read_sop_instance_uid(file): (number, file)
            for number, (uid, files) in enumerate(feed.requests)
            if uid == study
            for file in files
        }
        received = retrieve_study(pool, server.dicomweb_url, token, study)
        for sop_instance_uid, file in received.items():
            assert file[PREAMBLE_BYTES:] == sent[sop_instance_uid][1][PREAMBLE_BYTES:]
        missing = [uid for uid, (number, _) in sent.items() if number in answered and uid not in received]
        assert missing == [], f"answered with 200 and lost: {missing[:3]} of study {study}"
        if received:
            found = search(pool, server.dicomweb_url, token, f"studies/{study}/instances")
            assert {row["00080018"]["Value"][0] for row in found} == set(received)


def kill_during_import(server: SamsynServer, instances: int, kills: int) -> None:
    """Import while the server is killed again and again at random moments."""
    moments = random.Random(kills)
    token = server.issue_token()
    feed = make_feed(instances)
    with sending(feed, server, token):
        for _ in range(kills):
            time.sleep(moments.uniform(0.05, 1.5))
            if feed.is_complete:
                break
            server.kill()
            server.start()
            assert_answered_is_whole(feed, server, token)
    assert feed.unexpected == []
    assert feed.is_complete
    assert_answered_is_whole(feed, server, token)
    found = search(make_pool(), server.dicomweb_url, token, "instances")
    assert len(found) == instances


def test_import_survives_kills(start_samsyn: Callable[..., SamsynServer]) -> None:
    kill_during_import(start_samsyn(), instances=600, kills=3)


@pytest.mark.long
def test_import_of_2000_survives_ten_kills(start_samsyn: Callable[..., SamsynServer]) -> None:
    kill_during_import(start_samsyn(), instances=2000, kills=10)
