"""Compaction, deletion and scrub beside readers, kill -9 in the middle, and the loss of the whole database."""

import email.parser
import email.policy
import json
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3

from tests.support.dicom import StudyFacts, make_ct, make_uid
from tests.support.http import bearer, make_pool, read_sop_instance_uid, retrieve_study, store
from tests.support.processes import measure_peak_bytes, reset_peak
from tests.support.samsyn import SamsynServer

pytestmark = pytest.mark.server

PREAMBLE_BYTES = 128
PATIENCE_S = 300.0
MIB = 1 << 20
FILES = 'multipart/related; type="application/dicom"; transfer-syntax=*'
UPKEEP = """
import time
from datetime import timedelta
from pathlib import Path
from registry.models import Study
from repository.compaction.compact import compact_study
from repository.models import Damage, StudyLease
from repository.scrub import scrub
from repository.sweep import sweep
StudyLease.objects.all().delete()
Path({began!r}).touch()
rounds = packs = 0
while True:
    for pk in Study.objects.values_list("pk", flat=True):
        while compact_study(pk):
            packs += 1
    scrub(budget_bytes=1 << 40, round_time=timedelta(0))
    sweep()
    rounds += 1
    if Path({stop!r}).exists():
        break
    time.sleep(0.02)
assert not Damage.objects.exists()
print(rounds, packs)
"""
WRITE_JOURNAL = "from repository.journal.duty import write_journal; write_journal()"
FORGET_GRACE = """
from datetime import timedelta
from repository.sweep import sweep
assert sweep(grace=timedelta(0)).removed_condemned
"""
COUNT_LIVE = """
import json
from repository.models import Pack
print(json.dumps(Pack.objects.filter(state="live").count()))
"""


@dataclass(slots=True)
class Archive:
    """What was sent: files by study and UID; `deleting` and `deleted` are studies, `faults` what readers met."""

    server: SamsynServer
    token: str
    studies: dict[str, dict[str, bytes]] = field(default_factory=dict)
    deleting: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    answers: int = 0

    @property
    def kept(self) -> list[str]:
        """The studies of which nobody has begun to delete anything."""
        return [uid for uid in self.studies if uid not in self.deleting]


def fill(archive: Archive, studies: int, instances: int) -> None:
    """Store studies of one series, each instance in a request of its own."""
    pool = make_pool()
    for _ in range(studies):
        study, series_uid = StudyFacts(), make_uid()
        files: dict[str, bytes] = {}
        for number in range(1, instances + 1):
            file = make_ct(
                study,
                series_instance_uid=series_uid,
                instance_number=number,
                rows=96,
                columns=96,
                seed=number,
            )
            assert store(pool, archive.server.dicomweb_url, archive.token, [file]).status == 200
            files[read_sop_instance_uid(file)] = file
        archive.studies[study.study_instance_uid] = files


@contextmanager
def upkeep(server: SamsynServer) -> Iterator[subprocess.Popen[str]]:
    """Compact, scrub and sweep without pause for the length of the block, in a process of its own."""
    began, stop = server.home / "upkeep-began", server.home / "upkeep-stop"
    for path in (began, stop):
        path.unlink(missing_ok=True)
    process = server.begin_code(UPKEEP.format(began=str(began), stop=str(stop)))
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not began.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        yield process
    finally:
        stop.touch()
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode in (0, -9), output


def read_at_random(archive: Archive, token: str, stop: threading.Event, seed: int) -> None:
    """Ask for this and that until told to stop, and hold every answer against what was sent."""
    pool, chance = make_pool(), random.Random(seed)
    while not stop.is_set() and not archive.faults:
        study = chance.choice(list(archive.studies))
        was_deleted = study in archive.deleted
        try:
            fault = chance.choice((read_files, read_metadata, read_frame))(
                pool, archive, token, study, chance
            )
        except urllib3.exceptions.HTTPError as error:
            fault = f"{type(error).__name__}: {error}"
        if fault == "gone" and study in archive.deleting:
            fault = ""
        elif not fault and was_deleted:
            fault = "it was deleted before the request began"
        if fault:
            archive.faults.append(f"{study}: {fault}")
        archive.answers += 1


def get(
    pool: urllib3.PoolManager, archive: Archive, token: str, path: str, accept: str
) -> urllib3.BaseHTTPResponse:
    """Ask again while the server has no place for one more."""
    url, headers = f"{archive.server.dicomweb_url}{path}", {"Accept": accept, **bearer(token)}
    while (answer := pool.request("GET", url, headers=headers)).status in (429, 503):
        time.sleep(0.1)
    return answer


def read_files(
    pool: urllib3.PoolManager, archive: Archive, token: str, study: str, chance: random.Random
) -> str:
    """Retrieve the study; returns what is wrong with the answer."""
    answer = get(pool, archive, token, f"/studies/{study}", FILES)
    if answer.status != 200:
        return "gone" if answer.status == 410 else f"files answered {answer.status}"
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + answer.data)
    payloads = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    received = [payload for payload in payloads if isinstance(payload, bytes)]
    sent = sorted(file[PREAMBLE_BYTES:] for file in archive.studies[study].values())
    return (
        "" if sorted(file[PREAMBLE_BYTES:] for file in received) == sent else "the files are not those sent"
    )


def read_metadata(
    pool: urllib3.PoolManager, archive: Archive, token: str, study: str, chance: random.Random
) -> str:
    """Retrieve the metadata; returns what is wrong with the answer."""
    answer = get(pool, archive, token, f"/studies/{study}/metadata", "application/dicom+json")
    if answer.status != 200:
        return "gone" if answer.status == 410 else f"metadata answered {answer.status}"
    uids = {document["00080018"]["Value"][0] for document in answer.json()}
    return "" if uids == set(archive.studies[study]) else f"metadata of {len(uids)} instances"


def read_frame(
    pool: urllib3.PoolManager, archive: Archive, token: str, study: str, chance: random.Random
) -> str:
    """Retrieve a frame; returns what is wrong with the answer."""
    uid, file = chance.choice(list(archive.studies[study].items()))
    series = get(pool, archive, token, f"/studies/{study}/series", "application/dicom+json")
    if series.status != 200 or not series.json():
        return "gone"
    series_uid = series.json()[0]["0020000E"]["Value"][0]
    path = f"/studies/{study}/series/{series_uid}/instances/{uid}/frames/1"
    answer = get(pool, archive, token, path, "application/octet-stream")
    if answer.status != 200:
        return "gone" if answer.status == 410 else f"frame answered {answer.status}"
    return "" if file.endswith(answer.data) and len(answer.data) == 96 * 96 * 2 else "the frame is another"


def delete_one_by_one(archive: Archive, studies: list[str], pause_s: float) -> None:
    """Delete studies while they are read."""
    pool = make_pool()
    for study in studies:
        archive.deleting.add(study)
        url = f"{archive.server.dicomweb_url}/studies/{study}"
        assert pool.request("DELETE", url, headers=bearer(archive.token)).status == 204
        archive.deleted.add(study)
        time.sleep(pause_s)


def assert_all_is_there(archive: Archive) -> None:
    """Every kept study comes back byte for byte, and no deleted one."""
    pool = make_pool()
    for study in archive.kept:
        received = retrieve_study(pool, archive.server.dicomweb_url, archive.token, study)
        assert received.keys() == archive.studies[study].keys()
        for uid, file in received.items():
            assert file[PREAMBLE_BYTES:] == archive.studies[study][uid][PREAMBLE_BYTES:]
    for study in archive.deleted:
        assert get(pool, archive, archive.token, f"/studies/{study}", FILES).status in (404, 410)


def read_during_upkeep(
    server: SamsynServer, *, readers: int, studies: int, instances: int, pause_s: float
) -> None:
    """Let readers ask while packs move, studies go and everything is scrubbed."""
    archive = Archive(server, server.issue_token("writer"))
    tokens = server.issue_tokens([f"reader-{n}" for n in range(-(-readers // 2))])
    fill(archive, studies, instances)
    stop = threading.Event()
    threads = [
        threading.Thread(target=read_at_random, args=(archive, tokens[n // 2], stop, n))
        for n in range(readers)
    ]
    for thread in threads:
        thread.start()
    try:
        with upkeep(server):
            delete_one_by_one(archive, list(archive.studies)[: studies // 2], pause_s)
            fill(archive, studies // 2, instances)
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert archive.faults == []
    assert archive.answers > readers * 3
    assert_all_is_there(archive)
    # Fewer than four packs of a study stay apart, those that can be recovered included.
    assert json.loads(server.run_code(COUNT_LIVE)) < (studies + studies // 2) * 4


def test_readers_see_nothing_of_upkeep(start_embedded: Callable[..., SamsynServer]) -> None:
    read_during_upkeep(start_embedded(), readers=6, studies=4, instances=5, pause_s=0.2)


@pytest.mark.long
def test_twenty_readers_see_nothing_of_upkeep(start_samsyn: Callable[..., SamsynServer]) -> None:
    read_during_upkeep(start_samsyn(), readers=20, studies=40, instances=30, pause_s=1.0)


def kill_during_compaction(server: SamsynServer, kills: int, instances: int) -> None:
    """Kill the process that compacts, again and again; whatever it was at, everything stays readable."""
    chance = random.Random(kills)
    archive = Archive(server, server.issue_token())
    for _ in range(kills):
        fill(archive, 2, instances)
        with upkeep(server) as process:
            time.sleep(chance.uniform(0.0, 0.25))
            process.kill()
        assert_all_is_there(archive)
    with upkeep(server):
        pass
    assert_all_is_there(archive)
    assert json.loads(server.run_code(COUNT_LIVE)) == len(archive.studies)


def test_compaction_survives_kills(start_embedded: Callable[..., SamsynServer]) -> None:
    kill_during_compaction(start_embedded(), kills=2, instances=6)


@pytest.mark.long
def test_compaction_survives_thirty_kills(start_samsyn: Callable[..., SamsynServer]) -> None:
    kill_during_compaction(start_samsyn(), kills=30, instances=40)


def lose_database(server: SamsynServer) -> None:
    """Stop the server, throw its database away and migrate an empty one."""
    server.stop()
    for path in Path(server.home).glob("*.sqlite3*"):
        path.unlink()
    server.run_command("migrate", "--verbosity", "0")


def test_the_database_is_lost_and_everything_comes_back(start_embedded: Callable[..., SamsynServer]) -> None:
    server = start_embedded()
    archive = Archive(server, server.issue_token())
    fill(archive, 3, 3)
    delete_one_by_one(archive, list(archive.studies)[:1], 0)
    server.run_code(WRITE_JOURNAL)
    lose_database(server)
    said = server.run_command("rebuild_index", "--processes", "2")
    assert "3 studies are visible to their custodian's unit only" in said
    server.start()
    archive.token = server.issue_token()
    assert_all_is_there(archive)
    assert "confirmed" in server.run_command("confirm_rebuilt", "--all", "--officer", "Officer")
    assert_all_is_there(archive)


@pytest.mark.long
def test_an_older_copy_of_the_database_is_brought_up_to_date(
    start_embedded: Callable[..., SamsynServer],
) -> None:
    server = start_embedded()
    archive = Archive(server, server.issue_token())
    fill(archive, 3, 5)
    server.run_code(WRITE_JOURNAL)
    server.stop()
    copies = {path: path.read_bytes() for path in server.home.glob("*.sqlite3*")}
    server.start()
    with upkeep(server):
        delete_one_by_one(archive, list(archive.studies)[:1], 0)
    fill(archive, 1, 5)
    with upkeep(server):
        pass
    server.run_code(WRITE_JOURNAL)
    server.stop()
    for path in server.home.glob("*.sqlite3*"):
        path.unlink()
    for path, data in copies.items():
        path.write_bytes(data)
    server.run_command("rebuild_index")
    server.start()
    assert_all_is_there(archive)
    server.run_code(WRITE_JOURNAL)
    server.run_code(FORGET_GRACE)
    assert_all_is_there(archive)
    lose_database(server)
    server.run_command("rebuild_index")
    server.start()
    archive.token = server.issue_token()
    assert_all_is_there(archive)


@pytest.mark.long
def test_five_thousand_requests_for_one_series_become_one_pack(
    start_samsyn: Callable[..., SamsynServer],
) -> None:
    server = start_samsyn()
    archive = Archive(server, server.issue_token())
    tokens = server.issue_tokens([f"modality-{n}" for n in range(8)])
    fill(archive, 1, 1)
    study, series_uid = StudyFacts(), make_uid()
    sent: dict[str, bytes] = {}
    archive.studies[study.study_instance_uid] = sent
    reset_peak(server.list_pids())
    before = measure_peak_bytes(server.list_pids())

    def send(client: int) -> None:
        pool = make_pool()
        for number in range(client, 5000, 8):
            file = make_ct(study, series_instance_uid=series_uid, instance_number=number, rows=96, columns=96)
            while (answer := store(pool, server.dicomweb_url, tokens[client], [file])).status in (429, 503):
                time.sleep(0.2)
            assert answer.status == 200
            sent[read_sop_instance_uid(file)] = file

    threads = [threading.Thread(target=send, args=(client,)) for client in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3000)
    assert len(sent) == 5000
    assert measure_peak_bytes(server.list_pids()) - before < 128 * MIB
    with upkeep(server):
        pass
    assert json.loads(server.run_code(COUNT_LIVE)) == 2
    assert_all_is_there(archive)


@pytest.mark.long
def test_an_upload_that_cycles_through_two_hundred_series(start_samsyn: Callable[..., SamsynServer]) -> None:
    server = start_samsyn()
    archive = Archive(server, server.issue_token())
    study, series = StudyFacts(), [make_uid() for _ in range(200)]
    sent: dict[str, bytes] = {}
    archive.studies[study.study_instance_uid] = sent
    pool = make_pool()
    for request in range(6):
        files = [
            make_ct(
                study,
                series_instance_uid=series[n % 200],
                instance_number=request * 1000 + n,
                rows=32,
                columns=32,
            )
            for n in range(1000)
        ]
        assert store(pool, server.dicomweb_url, archive.token, files).status == 200
        sent.update((read_sop_instance_uid(file), file) for file in files)
    with upkeep(server):
        pass
    assert_all_is_there(archive)
    assert json.loads(server.run_code(COUNT_LIVE)) == 1
