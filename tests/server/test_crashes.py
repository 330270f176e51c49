"""kill -9 at any moment: what was answered is there and whole, what was not can be sent again."""

import contextlib
import fcntl
import json
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
import urllib3

from repository.objects.local import LocalObjectStore
from repository.packs.reader import is_complete
from tests.support.dicom import StudyFacts, make_series
from tests.support.http import list_stored, make_pool, read_sop_instance_uid, retrieve_study, search, store
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

PREAMBLE_BYTES = 128
SENDERS = 4
PATIENCE_S = 300.0
LIST_LIVE_PACKS = """
import json
from repository.models import Pack
print(json.dumps(list(Pack.objects.filter(state=Pack.LIVE).values_list("key", flat=True))))
"""
SWEEP_EAGERLY = """
import time
from datetime import timedelta
from pathlib import Path
from repository.sweep import sweep
while not Path({stop!r}).exists():
    sweep(unanswered_after=timedelta(0))
    Path({began!r}).touch()
    time.sleep(0.05)
"""
"""A sweep to which everything without a row is old, also what is being written at this moment."""


@dataclass(slots=True)
class Feed:
    """The requests of an import, each a few instances of one study, and which of them were answered with 200."""

    requests: tuple[tuple[str, tuple[bytes, ...]], ...]
    waiting: "queue.SimpleQueue[int]" = field(default_factory=queue.SimpleQueue)
    answered: set[int] = field(default_factory=set)
    unexpected: list[str] = field(default_factory=list)
    may_send: threading.Event = field(default_factory=threading.Event)

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
        if not feed.may_send.wait(0.1):
            continue
        try:
            number = feed.waiting.get(timeout=0.1)
        except queue.Empty:
            continue
        files = feed.requests[number][1]
        try:
            answer = store(pool, server.dicomweb_url, token, files)
        except urllib3.exceptions.HTTPError:
            feed.waiting.put(number)
            time.sleep(0.05)
            continue
        if answer.status == 200 and len(list_stored(answer)) == len(files):
            feed.answered.add(number)
        elif answer.status in (429, 503):
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
        arrived = Counter(sent[uid][0] for uid in received)
        halves = {
            number: count for number, count in arrived.items() if count != len(feed.requests[number][1])
        }
        assert halves == {}, "a request is there in part: request number and how many of its instances"
        if received:
            found = search(pool, server.dicomweb_url, token, f"studies/{study}/instances")
            assert {row["00080018"]["Value"][0] for row in found} == set(received)


def kill_during_import(server: SamsynServer, instances: int, kills: int) -> None:
    """Import while the server is killed again and again, each time after some more requests were answered."""
    moments = random.Random(kills)
    token = server.issue_token()
    feed = make_feed(instances)
    turns = sorted(moments.sample(range(1, len(feed.requests) - SENDERS), kills))
    with sending(feed, server, token):
        for turn in turns:
            feed.may_send.set()
            deadline = time.monotonic() + PATIENCE_S
            while len(feed.answered) < turn and not feed.unexpected and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.05))
            server.kill()
            feed.may_send.clear()
            server.start()
            assert_answered_is_whole(feed, server, token)
        feed.may_send.set()
    assert feed.unexpected == []
    assert feed.is_complete
    assert_answered_is_whole(feed, server, token)
    found = search(make_pool(), server.dicomweb_url, token, "instances")
    uids = [row["00080018"]["Value"][0] for row in found]
    assert sorted(uids) == sorted(read_sop_instance_uid(file) for _, files in feed.requests for file in files)
    assert_packs_are_accounted_for(server, feed, token)


def assert_packs_are_accounted_for(server: SamsynServer, feed: Feed, token: str) -> None:
    """Every pack file is one that was answered, or one that the sweep takes away; afterwards nothing is missing."""
    live = set(json.loads(server.run_code(LIST_LIVE_PACKS)))
    on_disk = {str(path.relative_to(server.home / "objects")) for path in server.list_packs()}
    assert live <= on_disk
    server.run_command("sweep", "--unanswered-after-s", "0")
    assert {str(path.relative_to(server.home / "objects")) for path in server.list_packs()} == live
    lost = {path.name for path in (server.home / "objects" / "lost").rglob("*.pack")}
    assert lost.isdisjoint(Path(key).name for key in live), "a pack was both answered and swept"
    server.run_command("adopt_packs")
    assert [path for path in (server.home / "objects" / "lost").rglob("*") if path.is_file()] == []
    assert_answered_is_whole(feed, server, token)
    instances = sum(len(files) for _, files in feed.requests)
    assert len(search(make_pool(), server.dicomweb_url, token, "instances")) == instances


def test_import_survives_kills(start_samsyn: Callable[..., SamsynServer]) -> None:
    kill_during_import(start_samsyn(), instances=600, kills=3)


@pytest.mark.long
def test_import_of_2000_survives_ten_kills(start_samsyn: Callable[..., SamsynServer]) -> None:
    kill_during_import(start_samsyn(), instances=2000, kills=10)


@contextlib.contextmanager
def sweeping(server: SamsynServer) -> Iterator[None]:
    """Sweep again and again for the length of the block, which begins after the first time."""
    began, stop = server.home / "sweep-began", server.home / "sweep-stop"
    sweeper = server.begin_code(SWEEP_EAGERLY.format(began=str(began), stop=str(stop)))
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not began.exists() and sweeper.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        yield
    finally:
        stop.touch()
        output, _ = sweeper.communicate(timeout=PATIENCE_S)
    assert sweeper.returncode == 0, output


@contextlib.contextmanager
def nobody_commits(server: SamsynServer) -> Iterator[None]:
    """Let every store wait between its durable pack and its transaction, for the length of the block."""
    url = server.environment.get("SAMSYN_DATABASE_URL")
    if url:
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE repository_pack IN ACCESS EXCLUSIVE MODE")
            yield
            connection.rollback()
    else:
        with (server.home / "run" / "write.lock").open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def wait_for_complete_pack(server: SamsynServer) -> str:
    """Return the key of the one pack that is complete on disk."""
    objects = LocalObjectStore(server.home / "objects")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for stored in objects.keys("packs/"):
            with objects.open(stored.key) as reader:
                if is_complete(reader):
                    return stored.key
        time.sleep(0.01)
    raise AssertionError("no pack was completed")


def test_a_kill_between_pack_and_commit_with_the_sweep_running(
    start_samsyn: Callable[..., SamsynServer],
) -> None:
    server = start_samsyn()
    token = server.issue_token()
    feed = make_feed(400)
    first = feed.waiting.get()
    sender = threading.Thread(target=send_once, args=(server, token, feed.requests[first][1]))
    with nobody_commits(server):
        sender.start()
        key = wait_for_complete_pack(server)
        server.kill()
    sender.join(PATIENCE_S)

    server.start()
    feed.waiting.put(first)
    assert retrieve_study(make_pool(), server.dicomweb_url, token, feed.requests[first][0]) == {}
    feed.may_send.set()
    with sweeping(server), sending(feed, server, token):
        pass
    assert feed.unexpected == []
    assert feed.is_complete
    assert_answered_is_whole(feed, server, token)
    assert not (server.home / "objects" / key).exists(), "the unanswered pack was neither swept nor set aside"
    lost = [path.name for path in (server.home / "objects" / "lost").rglob("*.pack")]
    assert Path(key).name in lost, "the unanswered pack was complete: it must not be thrown away"
    assert_packs_are_accounted_for(server, feed, token)


def send_once(server: SamsynServer, token: str, files: tuple[bytes, ...]) -> None:
    """Send one request whose answer never comes, because the server is killed."""
    with pytest.raises(urllib3.exceptions.HTTPError):
        store(make_pool(timeout_s=60), server.dicomweb_url, token, files)
