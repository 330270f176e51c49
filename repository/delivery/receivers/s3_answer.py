"""What it means that a request to an S3 service did not succeed.

Standard: Amazon S3 API of 2006-03-01, "Error responses"
"""

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from repository.delivery.receivers.failure import Failure
from repository.delivery.receivers.stow_rs import MAX_RETRY_AFTER_S, explain_connection

_BUSY = frozenset(
    {"SlowDown", "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequests"}
)
_FULL = frozenset({"InsufficientCapacity", "QuotaExceeded", "QuotaExceededException", "XMinioStorageFull"})
_AGAIN = frozenset({"BadDigest", "IncompleteBody", "OperationAborted", "RequestTimeout", "NoSuchUpload"})
_FAULTS = {
    "InvalidAccessKeyId": "the service does not know the access key",
    "SignatureDoesNotMatch": "the secret does not belong to the access key",
    "RequestTimeTooSkewed": "the clocks here and at the service differ",
    "NoSuchBucket": "there is no such bucket",
    "AuthorizationHeaderMalformed": "the service is in another region",
    "PermanentRedirect": "the bucket is at another endpoint",
    "InvalidBucketName": "the bucket's name is none",
}
_REDIRECTS = range(300, 400)


def explain_error(error: Exception) -> Failure:
    """Return what an error of the client means for the next request."""
    if isinstance(error, ClientError):
        return _explain_answer(error)
    if isinstance(error, ResponseParserError):
        return Failure("retry_once", "answer_unreadable", f"the answer cannot be read: {str(error)[:200]}")
    cause = error.__cause__
    if isinstance(cause, HTTPError | OSError):
        return explain_connection(cause)
    return Failure("destination", "destination_fault", str(error)[:300])


def _explain_answer(error: ClientError) -> Failure:
    facts = error.response.get("ResponseMetadata", {})
    status = int(facts.get("HTTPStatusCode") or 0)
    code = str(error.response.get("Error", {}).get("Code", ""))
    text = _say(error, status, code)
    wait_s = _read_wait(facts.get("HTTPHeaders", {}))
    if code in _BUSY or status == 429 or (status == 503 and wait_s):
        return Failure("busy", "receiver_busy", text, status, wait_s)
    if code in _FULL or status == 507:
        return Failure("retry", "receiver_full", text, status, wait_s)
    if code in _AGAIN or status in (408, 425) or status >= 500 or status < 300:
        return Failure("retry", "receiver_error", text, status, wait_s)
    if code in _FAULTS or status in (401, 403, 404, 405, 407, 410) or status in _REDIRECTS:
        return Failure("destination", "destination_fault", text, status)
    return Failure("refused", "request_refused", text, status)


def _say(error: ClientError, status: int, code: str) -> str:
    said = _FAULTS.get(code) or str(error.response.get("Error", {}).get("Message", ""))[:200]
    letters = "".join(letter if letter.isprintable() else " " for letter in f"{said} ({status} {code[:60]})")
    return letters.strip()


def _read_wait(headers: dict[str, str]) -> float:
    text = headers.get("retry-after", "").strip()
    return min(float(text), MAX_RETRY_AFTER_S) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0
