"""The ground the tests stand on: what the builders make is what they say, and the peers are real."""

import email.parser
import io
import sys
from pathlib import Path

import psycopg
import pydicom
import pytest
import redis
from dicomweb_client.api import DICOMwebClient

from tests.support.dicom import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    RLE,
    StudyFacts,
    content_type,
    iterate_large_ct,
    make_boundary,
    make_ct,
    make_series,
    make_uid,
    multipart_body,
)
from tests.support.orthanc import OrthancServer
from tests.support.postgres import PostgresCluster
from tests.support.processes import (
    is_alive,
    kill_group,
    measure_cpu_s,
    measure_peak_bytes,
    reset_peak,
    start_process,
    wait_until,
)
from tests.support.redis import RedisServer


@pytest.mark.parametrize("transfer_syntax_uid", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED, RLE])
def test_every_transfer_syntax_holds_the_same_pixels(transfer_syntax_uid: str) -> None:
    made = pydicom.dcmread(
        io.BytesIO(
            make_ct(rows=6, columns=5, number_of_frames=3, transfer_syntax_uid=transfer_syntax_uid, seed=7)
        )
    )
    plain = pydicom.dcmread(io.BytesIO(make_ct(rows=6, columns=5, number_of_frames=3, seed=7)))
    assert made.file_meta.TransferSyntaxUID == transfer_syntax_uid
    assert (made.pixel_array == plain.pixel_array).all()


def test_same_arguments_make_the_same_bytes() -> None:
    study = StudyFacts()
    series_instance_uid, sop_instance_uid = make_uid(), make_uid()
    made = {
        make_ct(study, series_instance_uid=series_instance_uid, sop_instance_uid=sop_instance_uid)
        for _ in range(2)
    }
    assert len(made) == 1


def test_a_series_is_one_series_of_one_patient() -> None:
    datasets = [
        pydicom.dcmread(io.BytesIO(file)) for file in make_series(StudyFacts(patient_name="Öberg^Åsa"), 3)
    ]
    assert [dataset.InstanceNumber for dataset in datasets] == [1, 2, 3]
    assert len({dataset.SeriesInstanceUID for dataset in datasets}) == 1
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == 3
    assert {str(dataset.PatientName) for dataset in datasets} == {"Öberg^Åsa"}


def test_a_large_instance_is_a_readable_file() -> None:
    pieces = list(iterate_large_ct(StudyFacts(), 3 << 20, chunk_bytes=100_000))
    dataset = pydicom.dcmread(io.BytesIO(b"".join(pieces)))
    assert dataset.NumberOfFrames == 6
    assert dataset.pixel_array.shape == (6, 512, 512)
    assert max(len(piece) for piece in pieces) <= 100_000


def test_a_multipart_body_unpacks_to_the_same_files() -> None:
    boundary = make_boundary()
    files = make_series(StudyFacts(), 2)
    whole = f"Content-Type: {content_type(boundary)}\r\n\r\n".encode() + multipart_body(files, boundary)
    message = email.parser.BytesParser().parsebytes(whole)
    assert [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()] == [*files]


@pytest.mark.server
def test_databases_of_the_cluster_are_copies_that_go_away(postgres_cluster: PostgresCluster) -> None:
    template_url = postgres_cluster.create_database("support_template")
    with psycopg.connect(template_url) as connection:
        connection.execute("CREATE TABLE thing AS SELECT 7 AS number")
    copy_url = postgres_cluster.create_database("support_copy", template="support_template")
    with psycopg.connect(copy_url) as connection:
        assert connection.execute("SELECT number FROM thing").fetchall() == [(7,)]
    for name in ("support_copy", "support_template"):
        postgres_cluster.drop_database(name)
    with psycopg.connect(postgres_cluster.url) as connection:
        found = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'support_%'"
        ).fetchall()
    assert found == []


@pytest.mark.server
def test_redis_answers(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.set("support", "there")
        assert client.get("support") == b"there"
    assert is_alive(redis_server.process.pid)


@pytest.mark.server
def test_orthanc_takes_a_series_by_store_request(orthanc: OrthancServer) -> None:
    datasets = [pydicom.dcmread(io.BytesIO(file)) for file in make_series(StudyFacts(), 2)]
    DICOMwebClient(orthanc.dicomweb_url).store_instances(datasets)
    assert orthanc.list_instances() == tuple(sorted(dataset.SOPInstanceUID for dataset in datasets))


@pytest.mark.browser
def test_the_browser_draws_a_page(page) -> None:
    page.set_content("<title>Samsyn</title><canvas id=c></canvas>")
    assert page.title() == "Samsyn"
    assert page.evaluate("!!document.getElementById('c').getContext('webgl2')")


def test_a_peak_of_memory_is_seen_after_it_is_over(tmp_path: Path) -> None:
    code = "import time; open('ready', 'w').close()\n"
    code += "while not __import__('os').path.exists('go'): time.sleep(0.01)\n"
    code += "big = b'x' * (100 << 20); del big; open('done', 'w').close(); time.sleep(60)"
    process = start_process([sys.executable, "-c", code], tmp_path / "log", folder=tmp_path)
    try:
        wait_until(process, (tmp_path / "ready").exists, "the program")
        reset_peak([process.pid])
        idle_bytes = measure_peak_bytes([process.pid])
        (tmp_path / "go").touch()
        wait_until(process, (tmp_path / "done").exists, "the program")
        assert 95 << 20 < measure_peak_bytes([process.pid]) - idle_bytes < 130 << 20
        assert measure_cpu_s([process.pid]) > 0
    finally:
        kill_group(process)
    assert not is_alive(process.pid)
