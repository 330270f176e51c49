"""Why a request did not succeed, and what that means for the next one."""

from dataclasses import dataclass
from typing import Literal

FailureKind = Literal["retry", "retry_once", "busy", "destination", "refused", "source"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed request.

    Kinds: `retry` (no connection, time-out, 5xx, half an answer), `busy` (429, 503 with Retry-After),
    `retry_once` (an answer that says nothing), `destination` (login, certificate, address: every
    request would fail), `refused` (the receiver will not take this request), `source` (our own bytes
    could not be read). `code` is a reason code; `text` what was said, for the operator.
    """

    kind: FailureKind
    code: str
    text: str
    http_status: int | None = None
    retry_after_s: float = 0.0


class FailedRequest(Exception):
    """A request did not succeed; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class Looped(FailedRequest):
    """The receiver says that what is sent came from there, or has passed too many installations.

    `installation` is the receiver's name where it gave one.
    """

    def __init__(self, failure: Failure, installation: str) -> None:
        super().__init__(failure)
        self.installation = installation
