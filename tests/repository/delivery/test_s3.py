"""Buckets as destinations: SeaweedFS, and answers of services that are in trouble."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread

from access.address import ForbiddenAddress
from access.secrets import seal
from registry.models import Destination, Study
from registry.remove import Target, delete
from repository.delivery.duties import plan_deliveries, probe_destinations, send_ready
from repository.delivery.receivers import s3
from repository.delivery.receivers.failure import FailedRequest
from repository.delivery.receivers.kinds import check_address
from repository.delivery.receivers.receiver import File
from repository.delivery.receivers.s3_address import resolve_bucket
from repository.models import Delivery, RecallReceipt
from repository.objects.bucket import list_keys, read_range
from tests.repository.delivery.conftest import PACKS, MemoryFile
from tests.repository.delivery.test_recall import KEEPER
from tests.support.buckets import (
    ACCESS_KEY,
    READER_KEY,
    READER_SECRET,
    SECRET_KEY,
    S3Server,
    run_in_trouble,
    run_s3,
)
from tests.support.dicom import StudyFacts, make_ct
from tests.support.processes import find_free_port

TOKEN = f"{ACCESS_KEY}:{SECRET_KEY}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with run_s3(tmp_path_factory.mktemp("s3")) as running:
        running.open("ward").close()
        yield running


@pytest.fixture
def bring(deliver: Callable[..., Delivery], settings) -> Callable[..., Delivery]:
    """Make one attempt to bring instances to a bucket."""

    def act(endpoint: str, *files: bytes, bucket: str = "ward/ct", token: str = TOKEN) -> Delivery:
        settings.S3_ENDPOINT = endpoint
        Destination.objects.update(token_sealed=seal(token))
        return deliver(f"s3://{bucket}", "", *files)

    return act


def test_a_bucket_gets_every_file_under_its_uids_and_gives_it_back_when_it_is_recalled(
    bring, service: S3Server, tmp_path: Path
):
    facts = StudyFacts(patient_name="Åkerström^Örjan")
    delivery = bring(
        service.url, *(make_ct(facts, instance_number=number) for number in (1, 2)), bucket="ward/one"
    )
    assert (delivery.state, delivery.reason_code) == ("delivered", "delivered")
    bucket = service.open("ward", "one/")
    stored = list(list_keys(bucket))
    assert len(stored) == 2
    for item in stored:
        (tmp_path / "got.dcm").write_bytes(read_range(bucket, item["Key"], 0, item["Size"]))
        got = dcmread(tmp_path / "got.dcm")
        assert item["Key"] == f"{got.StudyInstanceUID}/{got.SeriesInstanceUID}/{got.SOPInstanceUID}.dcm"
        assert str(got.PatientName) == "Åkerström^Örjan"
    delete(KEEPER, Target(Study.objects.get().study_instance_uid), door="test")
    plan_deliveries()
    assert send_ready("w", PACKS)
    plan_deliveries()
    assert list(list_keys(bucket)) == []
    assert RecallReceipt.objects.get().state == "acknowledged"


@pytest.mark.parametrize(
    ("bucket", "token", "reason"),
    [
        ("ward", f"{ACCESS_KEY}:wrong", "secret does not belong"),
        ("ward", "nobody:wrong", "does not know the access key"),
        ("ward", f"{READER_KEY}:{READER_SECRET}", "AccessDenied"),
        ("nowhere", TOKEN, "no such bucket"),
        ("ward", "a-bearer-token", "the access key, a colon and its secret"),
        ("ward", "", "the access key, a colon and its secret"),
    ],
)
def test_what_an_administrator_has_to_put_right_opens_the_breaker(
    bring, service: S3Server, bucket: str, token: str, reason: str
):
    delivery = bring(service.url, make_ct(StudyFacts()), bucket=bucket, token=token)
    assert (delivery.state, delivery.reason_code) == ("ready", "destination_fault")
    assert reason in delivery.reason
    assert SECRET_KEY not in delivery.reason
    assert Destination.objects.get().breaker == "open"


def test_the_breaker_closes_when_the_secret_was_put_right(bring, service: S3Server):
    bring(service.url, make_ct(StudyFacts()), token=f"{ACCESS_KEY}:wrong")
    Destination.objects.update(open_until=None)
    assert probe_destinations() == 0
    assert Destination.objects.get().breaker == "open", "a probe with the wrong secret is no answer"
    Destination.objects.update(open_until=None, token_sealed=seal(TOKEN))
    assert probe_destinations() == 1
    assert Destination.objects.get().breaker == "closed"


def test_nobody_there_is_tried_again(bring):
    delivery = bring(f"http://127.0.0.1:{find_free_port()}", make_ct(StudyFacts()))
    assert (delivery.state, delivery.reason_code) == ("ready", "no_connection")


@pytest.mark.parametrize(
    ("status", "code", "headers", "reason_code"),
    [
        (503, "SlowDown", {}, "receiver_busy"),
        (503, "ServiceUnavailable", {"Retry_After": "7"}, "receiver_busy"),
        (429, "TooManyRequests", {}, "receiver_busy"),
        (500, "InternalError", {}, "receiver_error"),
        (502, "", {}, "receiver_error"),
        (400, "BadDigest", {}, "receiver_error"),
        (507, "XMinioStorageFull", {}, "receiver_full"),
        (401, "", {}, "destination_fault"),
        (403, "RequestTimeTooSkewed", {}, "destination_fault"),
        (301, "PermanentRedirect", {"Location": "http://169.254.169.254/"}, "destination_fault"),
        (0, "", {}, "connection_cut"),
    ],
)
def test_an_answer_says_whether_to_try_again(
    bring, status: int, code: str, headers: dict[str, str], reason_code: str
):
    with run_in_trouble(status, code, **headers) as endpoint:
        delivery = bring(endpoint, make_ct(StudyFacts()))
    assert (delivery.state, delivery.reason_code) == ("ready", reason_code)
    assert Destination.objects.get().breaker == ("open" if reason_code == "destination_fault" else "closed")


def test_a_request_that_is_refused_for_good_is_given_up(bring):
    with run_in_trouble(400, "EntityTooLarge") as endpoint:
        delivery = bring(endpoint, make_ct(StudyFacts()))
    assert (delivery.state, delivery.reason_code) == ("dead", "request_refused")
    assert "EntityTooLarge" in delivery.reason


@dataclass(frozen=True, slots=True)
class Placed(MemoryFile):
    """An instance of a series of a study."""

    study_instance_uid: str = "1.2"
    series_instance_uid: str = "1.2.3"


def make_large(pieces: int) -> File:
    return File("1.2.3.4", lambda: (b"x" * 262144 for _ in range(pieces)), Placed("1.2.3.4"))


def test_a_large_instance_goes_in_parts_and_is_there_whole_or_not_at_all(service: S3Server, settings):
    settings.S3_ENDPOINT = service.url
    bucket = service.open("ward", "large/")
    receiver = s3.connect(resolve_bucket("s3://ward/large"), TOKEN, None)
    sent: list[int] = []

    def stop_late(sent_bytes: int) -> None:
        sent.append(sent_bytes)
        if sum(sent) > 20 << 20:
            raise RuntimeError("asked to end")

    with pytest.raises(RuntimeError, match="asked to end"):
        receiver.store([make_large(100)], on_sent=stop_late, on_body_sent=lambda: None)
    assert list(list_keys(bucket)) == []
    uploads = bucket.client.list_multipart_uploads(Bucket="ward")
    assert not uploads.get("Uploads")
    sent.clear()
    answer = receiver.store([make_large(100)], on_sent=sent.append, on_body_sent=lambda: None)
    assert answer.stored == {"1.2.3.4"}
    assert sum(sent) == 100 * 262144
    (item,) = list_keys(bucket)
    assert (item["Key"], item["Size"]) == ("1.2/1.2.3/1.2.3.4.dcm", 100 * 262144)
    receiver.close()


def test_our_own_file_that_cannot_be_read_is_no_fault_of_the_service(service: S3Server, settings):
    settings.S3_ENDPOINT = service.url

    def break_off() -> Iterator[bytes]:
        yield b"half"
        raise OSError("damaged")

    receiver = s3.connect(resolve_bucket("s3://ward/broken"), TOKEN, None)
    file = File("1.2.3.4", break_off, Placed("1.2.3.4"))
    with pytest.raises(FailedRequest, match=r"1\.2\.3\.4: damaged") as caught:
        receiver.store([file], on_sent=lambda _: None, on_body_sent=lambda: None)
    assert caught.value.failure.kind == "source"
    assert list(list_keys(service.open("ward", "broken/"))) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3:///prefix", "s3://bucket/prefix"),
        ("s3://Ward", "small letters"),
        ("s3://user:secret@ward/x", "s3://bucket/prefix"),
        ("s3://ward/../other", "between slashes"),
        ("s3://ward/x?endpoint=http://a.example&endpoint=http://b.example", "each once"),
        ("s3://ward/x?acl=public-read", "endpoint and region"),
        ("s3://ward/x?endpoint=http://a.example/path", "without a path"),
        ("s3://ward/x?endpoint=ftp://a.example", "begin with"),
        ("s3://ward/x?endpoint=http://user:secret@a.example", "must not hold a user"),
        ("s3://ward/x?endpoint=http://169.254.169.254", "no receiver's address"),
        ("s3://ward/x?region=Mars", "region"),
        ("s3://ward/x", "SAMSYN_S3_ENDPOINT"),
    ],
)
def test_an_address_that_is_no_bucket_is_refused_when_it_is_written(settings, url: str, message: str):
    settings.S3_ENDPOINT = "https://[::1]" if "region" in url else ""
    with pytest.raises(ForbiddenAddress, match=message):
        check_address(url)


def test_a_service_inside_needs_the_setting(settings):
    place = resolve_bucket("s3://ward/ct/2026/?endpoint=https://127.0.0.1:8333&region=eu-north-1")
    assert (place.bucket, place.prefix, place.region) == ("ward", "ct/2026/", "eu-north-1")
    assert place.endpoint.host_header == "127.0.0.1:8333"
    settings.ALLOW_PRIVATE_DESTINATIONS = False
    with pytest.raises(ForbiddenAddress, match="private address"):
        check_address("s3://ward?endpoint=https://127.0.0.1:8333")
