"""A bucket as a receiver: one object an instance, `study/series/instance.dcm`, whole or not there.

Standard: PS3.10 (the objects); Amazon S3 API of 2006-03-01
"""

import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from botocore.exceptions import ClientError

from registry.identity import is_oid
from repository.delivery.receivers.address import ForbiddenAddress
from repository.delivery.receivers.failure import FailedRequest, Failure
from repository.delivery.receivers.receiver import File, Receiver
from repository.delivery.receivers.s3_answer import explain_error
from repository.delivery.receivers.store_answer import StoreAnswer
from repository.objects.bucket import S3_ERRORS, Bucket, ask, delete, open_bucket, put
from repository.objects.bucket_place import BucketPlace
from repository.objects.wire import ANSWER_TIMEOUT_S


class _UnreadableSource(Exception):
    """Our own file could not be read while it was sent."""


def connect(place: BucketPlace, token: str, context: ssl.SSLContext | None) -> Receiver:
    """Prepare to speak to a bucket; nothing is sent yet. `token` is the access key, a colon and its secret.

    Raises
    ------
    ForbiddenAddress
        The token is not that.
    """
    access_key, colon, secret_key = token.partition(":")
    if not (access_key and colon and secret_key):
        raise ForbiddenAddress("the token of a bucket is the access key, a colon and its secret")
    bucket = open_bucket(place, access_key, secret_key, context if place.endpoint.scheme == "https" else None)
    return Receiver(
        store=partial(_store, bucket),
        probe=partial(_probe, bucket),
        close=bucket.close,
        answer_timeout_s=ANSWER_TIMEOUT_S,
        withdraw=partial(_withdraw, bucket),
    )


def _store(
    bucket: Bucket, files: Iterable[File], *, on_sent: Callable[[int], None], on_body_sent: Callable[[], None]
) -> StoreAnswer:
    stored = set()
    for file in files:
        uids = (file.instance.study_instance_uid, file.instance.series_instance_uid, file.sop_instance_uid)
        try:
            put(bucket, _name(uids), _read(file), on_sent)
        except _UnreadableSource as error:
            raise FailedRequest(Failure("source", "source_unreadable", str(error))) from error
        except S3_ERRORS as error:
            raise FailedRequest(explain_error(error)) from error
        stored.add(file.sop_instance_uid)
    on_body_sent()
    return StoreAnswer(frozenset(stored), {}, frozenset())


def _read(file: File) -> Iterator[bytes]:
    try:
        yield from file.open()
    except (OSError, ValueError, LookupError, RuntimeError) as error:
        raise _UnreadableSource(f"{file.sop_instance_uid}: {error}") from error


def _withdraw(bucket: Bucket, places: Sequence[tuple[str, str, str]]) -> None:
    try:
        failed = delete(bucket, [_name(uids) for uids in places])
    except S3_ERRORS as error:
        raise FailedRequest(explain_error(error)) from error
    if failed:
        text = f"{len(failed)} of {len(places)} objects stay there: {next(iter(failed.values()))[:200]}"
        raise FailedRequest(Failure("retry", "receiver_error", text))


def _name(uids: tuple[str, str, str]) -> str:
    if not all(map(is_oid, uids)):  # a store lets none in; what names objects is asked again
        raise FailedRequest(Failure("source", "source_unreadable", f"no UIDs that can name objects: {uids}"))
    return f"{uids[0]}/{uids[1]}/{uids[2]}.dcm"


def _probe(bucket: Bucket) -> None:
    """Ask for a key. Who may store and not list is refused that, and has proved to know the secret."""
    try:
        ask(bucket)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "AccessDenied":
            raise FailedRequest(explain_error(error)) from error
    except S3_ERRORS as error:
        raise FailedRequest(explain_error(error)) from error
