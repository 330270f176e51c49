"""Batches against a scripted receiver: what became of each file is told right, whatever the server does."""

import io

import pydicom
import pytest

from deploy.importing import batches, stow_client
from deploy.importing.batches import import_sources
from deploy.importing.outcomes import FileOutcome, Outcome
from deploy.importing.sources import find_sources
from deploy.importing.stow_client import NotAuthorised, ServerUnreachable, StowServer
from tests.support.dicom import StudyFacts, make_ct, make_series, make_uid
from tests.support.receiver import answer, answer_half, forget, module, refuse, run_receiver


@pytest.fixture
def receiver():
    with run_receiver() as running:
        running.read_uid = read_uid
        yield running


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(stow_client, "MAX_WAIT_S", 0.01)


def read_uid(content: bytes) -> str:
    return str(
        pydicom.dcmread(io.BytesIO(content), specific_tags=["SOPInstanceUID"], force=True).SOPInstanceUID
    )


def run(receiver, folder) -> dict[str, FileOutcome]:
    entries: list[FileOutcome] = []
    server = StowServer(f"http://127.0.0.1:{receiver.port}/dicom-web", "token")
    import_sources(server, find_sources([folder]), entries.append)
    assert len({entry.path for entry in entries}) == len(entries)
    return {entry.path.rsplit("/", 1)[1]: entry for entry in entries}


def write(folder, instances: list[bytes]) -> list[str]:
    for number, instance in enumerate(instances):
        (folder / f"{number:03d}").write_bytes(instance)
    return [read_uid(instance) for instance in instances]


def outcomes(entries) -> list[Outcome]:
    return [entries[name].outcome for name in sorted(entries)]


def test_everything_goes_in_one_request(receiver, tmp_path):
    uids = write(tmp_path, list(make_series(StudyFacts(), 5)))
    entries = run(receiver, tmp_path)
    assert outcomes(entries) == [Outcome.STORED] * 5
    assert receiver.stored == uids
    assert len(receiver.requests) == 1
    assert receiver.requests[0].headers["Authorization"] == "Bearer token"
    assert receiver.requests[0].path == "/dicom-web/studies"


def test_what_arrives_is_what_lies_in_the_files(receiver, tmp_path):
    instance = make_ct(rows=64, columns=64)
    write(tmp_path, [instance])
    run(receiver, tmp_path)
    assert pydicom.dcmread(io.BytesIO(receiver.requests[0].parts[0])) == pydicom.dcmread(io.BytesIO(instance))


def test_a_batch_has_at_most_a_hundred_instances_and_its_bytes(receiver, tmp_path, monkeypatch):
    write(tmp_path, list(make_series(StudyFacts(), 101)))
    run(receiver, tmp_path)
    assert [len(request.parts) for request in receiver.requests] == [100, 1]
    receiver.requests.clear()
    monkeypatch.setattr(batches, "MAX_BATCH_BYTES", 3 * len(make_ct()) + 1000)
    run(receiver, tmp_path)
    assert {len(request.parts) for request in receiver.requests} <= {1, 2, 3}
    assert sum(len(request.parts) for request in receiver.requests) == 101


def test_a_file_larger_than_a_batch_goes_alone(receiver, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "MAX_BATCH_BYTES", 20_000)
    write(tmp_path, [make_ct(), make_ct(rows=128, columns=128), make_ct()])
    assert outcomes(run(receiver, tmp_path)) == [Outcome.STORED] * 3
    assert sorted(len(request.parts) for request in receiver.requests) == [1, 2]


def test_refused_instances_are_named_with_the_reason(receiver, tmp_path):
    uids = write(tmp_path, list(make_series(StudyFacts(), 3)))
    receiver.script = [refuse(202, uids[1], reason=0xA900)]
    entries = run(receiver, tmp_path)
    assert outcomes(entries) == [Outcome.STORED, Outcome.REFUSED, Outcome.STORED]
    assert "A900H" in entries["001"].reason
    assert len(receiver.requests) == 1


def test_instances_that_the_answer_forgets_are_sent_again_alone(receiver, tmp_path):
    uids = write(tmp_path, list(make_series(StudyFacts(), 4)))
    receiver.script = [forget(uids[0], uids[3])]
    assert outcomes(run(receiver, tmp_path)) == [Outcome.STORED] * 4
    assert [len(request.parts) for request in receiver.requests] == [4, 1, 1]


def test_a_batch_refused_as_a_whole_is_sent_one_by_one(receiver, tmp_path):
    uids = write(tmp_path, list(make_series(StudyFacts(), 3)))
    receiver.script = [answer(400, b'{"error": "no"}'), refuse(409, uids[0])]
    assert outcomes(run(receiver, tmp_path)) == [Outcome.REFUSED, Outcome.STORED, Outcome.STORED]
    assert [len(request.parts) for request in receiver.requests] == [3, 1, 1, 1]


def test_a_lonely_error_is_the_files_reason(receiver, tmp_path):
    write(tmp_path, [make_ct()])
    receiver.script = [answer(413, b'{"error": "too large for us"}')]
    (entry,) = run(receiver, tmp_path).values()
    assert entry.outcome is Outcome.REFUSED
    assert entry.reason == "the server answered 413: too large for us"


def test_an_answer_that_says_nothing_is_not_success(receiver, tmp_path):
    write(tmp_path, [make_ct()])
    receiver.script = [answer(200, b"{}")]
    (entry,) = run(receiver, tmp_path).values()
    assert entry.outcome is Outcome.REFUSED


def test_files_that_do_not_say_who_they_are_sink_nobody(receiver, tmp_path):
    broken = bytearray(make_ct())
    del broken[-200:]  # its pixel data is cut off: only a server can say what that is worth
    write(tmp_path, [make_ct(), make_ct()])
    (tmp_path / "broken").write_bytes(broken)
    (tmp_path / "notes.txt").write_text("just a note, longer than the preamble " * 10)
    (tmp_path / "empty").touch()
    receiver.script = [answer(409, module([], {make_uid(): 0xC000}))]
    entries = run(receiver, tmp_path)
    assert entries["broken"].outcome is Outcome.REFUSED
    assert "C000H" in entries["broken"].reason
    assert entries["notes.txt"].reason == "no PS3.10 file: DICM expected at byte 128"
    assert entries["empty"].reason == "the file is empty"
    assert entries["000"].outcome is entries["001"].outcome is Outcome.STORED
    assert [len(request.parts) for request in receiver.requests] == [1, 2]


def test_two_files_with_one_uid_never_share_a_request(receiver, tmp_path):
    uid = make_uid()
    study = StudyFacts()
    write(tmp_path, [make_ct(study, sop_instance_uid=uid, seed=seed) for seed in (1, 2)])
    receiver.script = [refuse(200), refuse(409, uid, reason=0x0111)]
    entries = run(receiver, tmp_path)
    assert outcomes(entries) == [Outcome.STORED, Outcome.REFUSED]
    assert [len(request.parts) for request in receiver.requests] == [1, 1]


def test_a_busy_server_is_asked_again(receiver, tmp_path):
    write(tmp_path, [make_ct()])
    receiver.script = [answer(429, b"", Retry_After="0"), answer(503, b"", Retry_After="soon"), answer_half]
    assert outcomes(run(receiver, tmp_path)) == [Outcome.STORED]
    assert len(receiver.requests) == 4


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_as_late_as_it_wishes_and_not_by_all_at_once(
    receiver, tmp_path, monkeypatch, status
):
    waits: list[float] = []
    monkeypatch.setattr(stow_client, "MAX_WAIT_S", 30.0)
    monkeypatch.setattr("deploy.importing.stow_client.time.sleep", waits.append)
    write(tmp_path, [make_ct()])
    receiver.script = [answer(status, b"", Retry_After="7")] * 5
    assert outcomes(run(receiver, tmp_path)) == [Outcome.STORED]
    assert all(7 <= wait_s <= 7 * 1.25 for wait_s in waits)
    assert len(set(waits)) == 5


def test_a_server_that_stays_busy_stops_the_import(receiver, tmp_path):
    write(tmp_path, [make_ct()])
    receiver.script = [answer(503, b'{"error": "full"}')] * 10
    with pytest.raises(ServerUnreachable, match="full"):
        run(receiver, tmp_path)


def test_a_server_that_is_not_there_stops_the_import(receiver, tmp_path):
    write(tmp_path, [make_ct()])
    server = StowServer("http://127.0.0.1:1/dicom-web", "token")
    entries: list[FileOutcome] = []
    with pytest.raises(ServerUnreachable):
        import_sources(server, find_sources([tmp_path]), entries.append)
    assert not entries


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_taken_stops_the_import(receiver, tmp_path, status):
    write(tmp_path, [make_ct()])
    receiver.script = [answer(status, b'{"error": "not you"}')]
    with pytest.raises(NotAuthorised, match="not you"):
        run(receiver, tmp_path)


def test_a_dicomdir_is_skipped_not_sent(receiver, tmp_path):
    directory = pydicom.dcmread(io.BytesIO(make_ct()))
    directory.SOPClassUID = directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.save_as(tmp_path / "disc")
    (entry,) = run(receiver, tmp_path).values()
    assert entry.outcome is Outcome.SKIPPED
    assert not receiver.requests
