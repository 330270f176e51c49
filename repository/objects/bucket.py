"""A bucket of somebody's S3 service: whole objects in, ranges out, listed and taken out again.

Every function raises the client's own errors, `S3_ERRORS`: `ClientError` is an answer, the others are none.

Standard: Amazon S3 API of 2006-03-01, Signature Version 4
"""

import logging
import os
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from botocore.session import Session

from repository.objects.bucket_place import BucketPlace
from repository.objects.wire import Wire, make_pool

log = logging.getLogger(__name__)

PART_BYTES = 8 << 20
"""An object leaves in parts, of which three are held at most. S3 takes 10,000, so an object may have 78 GiB."""
CHECKSUM = "SHA256"
MOST_DELETED = 1000
S3_ERRORS = (BotoCoreError, ClientError, ResponseParserError)

_making = threading.Lock()


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that is spoken to. Close it."""

    place: BucketPlace
    client: Any
    wire: Wire

    def close(self) -> None:
        """Close the connections."""
        self.wire.pool.close()


def open_bucket(
    place: BucketPlace,
    access_key: str,
    secret_key: str,
    context: ssl.SSLContext | None = None,
    *,
    attempts: int = 1,
    connections: int = 1,
) -> Bucket:
    """Prepare to speak to a bucket; nothing is sent yet.

    Parameters
    ----------
    attempts
        How often a request is made that was not answered, or answered with an error of the service.
    """
    address = place.endpoint
    wire = Wire(make_pool(address, context, connections), address.host_header)
    config = Config(
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": attempts, "mode": "standard"},
        # Services of other makers know no trailers behind a body; every upload names its checksum itself.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    with _making:  # a session makes one client at a time
        client = _open_session().create_client(
            "s3",
            region_name=place.region,
            endpoint_url=f"{address.scheme}://{address.host_header}",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=config,
        )
    client.meta.events.register("before-send.s3", wire)
    return Bucket(place, client, wire)


@lru_cache(maxsize=1)
def _open_session() -> Session:
    """Return a session that reads no files or variables of the account that runs us: what it uses is stated."""
    return Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
            "ignore_configured_endpoint_urls": (None, None, True, None),
        }
    )


def put(
    bucket: Bucket,
    key: str,
    blocks: Iterable[bytes],
    on_sent: Callable[[int], None] | None = None,
    *,
    is_new: bool = False,
) -> None:
    """Store an object: it is there whole when this returns, and not at all otherwise.

    Parameters
    ----------
    on_sent
        Called with the length of every block that left, in bytes; what it raises ends the upload.
    is_new
        The service is to refuse (412) where an object lies under the key already.

    Standard: Amazon S3 PutObject, CreateMultipartUpload, UploadPart, CompleteMultipartUpload
    """
    bucket.wire.on_sent = on_sent
    parts = _in_parts(blocks)
    first = next(parts, b"")
    second = next(parts, None)
    where = _where(bucket, key)
    once = {"IfNoneMatch": "*"} if is_new else {}
    if second is None:
        bucket.client.put_object(**where, **once, Body=first, ChecksumAlgorithm=CHECKSUM)
        return
    upload = bucket.client.create_multipart_upload(**where, ChecksumAlgorithm=CHECKSUM)
    where["UploadId"] = upload["UploadId"]
    try:
        _put_parts(bucket, where, once, (first, second), parts)
    except BaseException:
        _abort(bucket, where)
        raise


def _put_parts(
    bucket: Bucket,
    where: Mapping[str, str],
    once: Mapping[str, str],
    begun: Sequence[bytes],
    rest: Iterator[bytes],
) -> None:
    done: list[dict[str, Any]] = []
    queue = list(begun)
    while queue:
        number = len(done) + 1
        answer = bucket.client.upload_part(
            **where, PartNumber=number, Body=queue.pop(0), ChecksumAlgorithm=CHECKSUM
        )
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        if "ChecksumSHA256" in answer:  # a service that keeps none would not know it again
            part["ChecksumSHA256"] = answer["ChecksumSHA256"]
        done.append(part)
        if not queue:
            queue.extend(piece for piece in (next(rest, None),) if piece is not None)
    bucket.client.complete_multipart_upload(**where, **once, MultipartUpload={"Parts": done})


def _abort(bucket: Bucket, where: Mapping[str, str]) -> None:
    """Take back the parts that were sent; what stays in spite of that is for the bucket's own rule to clear."""
    bucket.wire.on_sent = None
    try:
        bucket.client.abort_multipart_upload(**where)
    except S3_ERRORS as error:
        log.warning("parts of an object stay in bucket %s: %s", bucket.place.bucket, error)


def _in_parts(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Gather blocks to parts of one size; the last may be shorter."""
    part = bytearray()
    for block in blocks:
        part += block
        while len(part) >= PART_BYTES:
            yield bytes(part[:PART_BYTES])
            del part[:PART_BYTES]
    if part:
        yield bytes(part)


def read_range(bucket: Bucket, key: str, offset: int, length: int) -> bytes:
    """Read a range of an object; shorter where the object ends before.

    Standard: Amazon S3 GetObject with Range
    """
    answer = bucket.client.get_object(**_where(bucket, key), Range=f"bytes={offset}-{offset + length - 1}")
    with answer["Body"] as body:
        content: bytes = body.read()
    return content


def read_head(bucket: Bucket, key: str) -> dict[str, Any]:
    """Return what a service says of an object: `ContentLength`, `LastModified` and more."""
    head: dict[str, Any] = bucket.client.head_object(**_where(bucket, key))
    return head


def list_keys(bucket: Bucket, prefix: str = "") -> Iterator[dict[str, Any]]:
    """List the objects below the bucket's place whose key begins with `prefix`; `Key` is without the place's own.

    Standard: Amazon S3 ListObjectsV2
    """
    pages = bucket.client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket.place.bucket, Prefix=bucket.place.prefix + prefix
    )
    for page in pages:
        for item in page.get("Contents", ()):
            yield {**item, "Key": item["Key"].removeprefix(bucket.place.prefix)}


def ask(bucket: Bucket) -> None:
    """Ask for one key, to see whether the service answers and knows who asks."""
    bucket.client.list_objects_v2(Bucket=bucket.place.bucket, Prefix=bucket.place.prefix, MaxKeys=1)


def delete(bucket: Bucket, keys: Sequence[str]) -> dict[str, str]:
    """Take objects out; a missing one is no error. Returns by key why others could not be taken out.

    Standard: Amazon S3 DeleteObjects
    """
    failed: dict[str, str] = {}
    for start in range(0, len(keys), MOST_DELETED):
        named = [{"Key": bucket.place.prefix + key} for key in keys[start : start + MOST_DELETED]]
        answer = bucket.client.delete_objects(
            Bucket=bucket.place.bucket, Delete={"Objects": named, "Quiet": True}, ChecksumAlgorithm=CHECKSUM
        )
        for error in answer.get("Errors", ()):
            key = str(error.get("Key", "")).removeprefix(bucket.place.prefix)
            if error.get("Code") != "NoSuchKey":
                failed[key] = f"{error.get('Code', '')} {error.get('Message', '')}".strip()
    return failed


def _where(bucket: Bucket, key: str) -> dict[str, str]:
    return {"Bucket": bucket.place.bucket, "Key": bucket.place.prefix + key}
