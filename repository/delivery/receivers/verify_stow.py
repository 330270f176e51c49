"""Whether a STOW-RS receiver has what it said it stored: found by QIDO-RS, or committed to.

Standard: PS3.18 10.6, PS3.18 13
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import urllib3
from pydicom.uid import generate_uid

from repository.delivery.receivers.failure import FailedRequest, Failure

PAGE = 500
MOST_PAGES = 200
POLLS = 12
POLL_S = 5.0
_SOP_CLASS, _SOP_INSTANCE = "00081150", "00081155"
_REFERENCED = "00081199"
Ask = Callable[[str, str, bytes | None], urllib3.BaseHTTPResponse]
"""Method, path below the service, body in DICOM JSON: the answer, read; raises `FailedRequest` without one."""


def find_instances(ask: Ask, instances: Sequence[Any]) -> frozenset[str]:
    """Return which instances the receiver finds in their studies.

    Raises
    ------
    FailedRequest
    """
    found: set[str] = set()
    for study_uid in sorted({instance.study_instance_uid for instance in instances}):
        for page in range(MOST_PAGES):
            path = f"/studies/{study_uid}/instances?limit={PAGE}&offset={page * PAGE}"
            uids = _read_uids(ask("GET", path, None))
            found |= uids
            if len(uids) < PAGE:
                break
    return frozenset(found & {instance.sop_instance_uid for instance in instances})


def commit_instances(ask: Ask, instances: Sequence[Any], on_wait: Callable[[], None]) -> frozenset[str]:
    """Ask the receiver to commit to instances, and wait for its answer; returns those it commits to.

    Raises
    ------
    FailedRequest
        Also where it does not know storage commitment, or does not come to an end.
    """
    items = [
        {
            _SOP_CLASS: {"vr": "UI", "Value": [instance.sop_class_uid]},
            _SOP_INSTANCE: {"vr": "UI", "Value": [instance.sop_instance_uid]},
        }
        for instance in instances
    ]
    path = f"/commitment-requests/{generate_uid(prefix=None)}"
    response = ask("POST", path, orjson.dumps({_REFERENCED: {"vr": "SQ", "Value": items}}))
    for _ in range(POLLS):
        if response.status != 202:
            return _read_committed(response)
        on_wait()
        time.sleep(POLL_S)
        response = ask("GET", path, None)
    raise FailedRequest(
        Failure("retry", "receiver_slow", "the receiver did not come to commit to what it has")
    )


def _read_uids(response: urllib3.BaseHTTPResponse) -> set[str]:
    if response.status == 204:
        return set()
    _require_success(response, "a search of instances")
    rows = _parse(response)
    if not isinstance(rows, list):
        raise _unreadable("a search is answered by no list")
    return {uid for row in rows if (uid := _text(row, "00080018"))}


def _read_committed(response: urllib3.BaseHTTPResponse) -> frozenset[str]:
    _require_success(response, "storage commitment")
    module = _parse(response)
    if not isinstance(module, dict):
        raise _unreadable("storage commitment is answered by no data set")
    items = module.get(_REFERENCED, {}).get("Value") or []
    return frozenset(uid for item in items if (uid := _text(item, _SOP_INSTANCE)))


def _require_success(response: urllib3.BaseHTTPResponse, what: str) -> None:
    if response.status == 200:
        return
    text = f"the receiver answers {what} with {response.status}"
    if response.status >= 500 or response.status in (408, 429):
        raise FailedRequest(Failure("retry", "cannot_be_verified", text, response.status))
    text = f"the receiver answers {what} with {response.status}: choose another verification for this destination"
    raise FailedRequest(Failure("destination", "cannot_be_verified", text, response.status))


def _parse(response: urllib3.BaseHTTPResponse) -> Any:
    try:
        return orjson.loads(response.data)
    except orjson.JSONDecodeError as error:
        raise _unreadable("what verifies is answered by no JSON") from error


def _unreadable(text: str) -> FailedRequest:
    return FailedRequest(Failure("retry_once", "answer_unreadable", text))


def _text(item: Any, tag: str) -> str:
    element = item.get(tag) if isinstance(item, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values and isinstance(values[0], str) else ""
