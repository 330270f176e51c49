"""A service of others, asked over HTTP: one POST a patient, a short time-out, answers and silences kept briefly.

Request: `POST {url}/restrictions` with `{"numbers": [{"value", "issuer"}]}`: a number is never part of an address.
Answer: `{"blocks": [...], "lifts": [...], "consents": [...]}` with the fields of `shapes.py`; times are ISO 8601 with
a zone. An answer that is not exactly that counts as none: a block that was misread would open what it closes.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

import orjson
import urllib3

from registry.sources.shapes import (
    Answer,
    ForeignBlock,
    ForeignConsent,
    ForeignLift,
    PatientNumber,
    Restrictions,
    SourceUnavailable,
)

log = logging.getLogger(__name__)

T = TypeVar("T", ForeignBlock, ForeignLift, ForeignConsent)
MOST_BYTES = 1 << 20
MOST_KEPT = 10_000
SILENCE_S = 2.0
"""How long a service that was away is not asked again about anybody: each question would wait for its time-out."""


class _Unreadable(ValueError):
    """The answer is not of the form that was agreed."""


@dataclass(slots=True)
class HttpService:
    """A service at an address. Keep one for the life of the process: it holds connections and what was answered."""

    url: str
    token: str = field(default="", repr=False)
    timeout_s: float = 1.0
    cache_s: float = 30.0
    _pool: urllib3.PoolManager = field(init=False, repr=False)
    _kept: dict[tuple[PatientNumber, ...], tuple[float, Restrictions]] = field(
        init=False, repr=False, default_factory=dict
    )
    _silent_until: float = field(init=False, default=0.0)
    _lock: threading.Lock = field(init=False, repr=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Open the pool; nothing is asked yet."""
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)

    def read(self, numbers: Sequence[PatientNumber], now: datetime) -> Answer:
        """Return what the service says, or said within `cache_s`; ends of lifts and consents are looked at anew."""
        key = tuple(sorted(set(numbers), key=lambda number: (number.issuer, number.value)))
        if not key:
            return Restrictions()
        moment = time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and kept[0] > moment:
            return _still_valid(kept[1], now)
        if moment < self._silent_until:
            return SourceUnavailable("the service did not answer just now")
        try:
            answer = self._ask(key)
        except (urllib3.exceptions.HTTPError, _Unreadable) as error:
            log.warning("the block service does not answer: %s", type(error).__name__)
            self._silent_until = time.monotonic() + SILENCE_S
            return SourceUnavailable(f"the block service does not answer ({type(error).__name__})")
        with self._lock:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = (time.monotonic() + self.cache_s, answer)
        return _still_valid(answer, now)

    def forget(self) -> None:
        """Ask again about everybody."""
        with self._lock:
            self._kept.clear()
        self._silent_until = 0.0

    def _ask(self, numbers: tuple[PatientNumber, ...]) -> Restrictions:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        body = orjson.dumps({"numbers": [{"value": n.value, "issuer": n.issuer} for n in numbers]})
        response = self._pool.request(
            "POST",
            f"{self.url}/restrictions",
            body=body,
            headers=headers,
            timeout=urllib3.Timeout(total=self.timeout_s),
            redirect=False,
            preload_content=False,
        )
        try:
            data = self._read_body(response)
        finally:
            response.release_conn()
        if response.status != 200:
            raise _Unreadable(f"status {response.status}")
        return parse_restrictions(data)

    def _read_body(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """Read a bounded body; a slow one is cut off, because the time-out counts for each read alone."""
        deadline = time.monotonic() + self.timeout_s
        data = bytearray()
        for chunk in response.stream(1 << 16):
            data += chunk
            if len(data) > MOST_BYTES:
                response.close()
                raise _Unreadable("the answer is longer than 1 MiB")
            if time.monotonic() > deadline:
                response.close()
                raise _Unreadable("the answer takes too long")
        return bytes(data)


def parse_restrictions(data: bytes) -> Restrictions:
    """Read an answer; everything that is not exactly of the agreed form is refused with a `ValueError`."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _Unreadable("it is no JSON") from error
    if not isinstance(document, dict) or set(document) != {"blocks", "lifts", "consents"}:
        raise _Unreadable("it consists of blocks, lifts and consents")
    return Restrictions(
        _parse_all(ForeignBlock, document["blocks"]),
        _parse_all(ForeignLift, document["lifts"]),
        _parse_all(ForeignConsent, document["consents"]),
    )


def _parse_all(kind: type[T], items: Any) -> tuple[T, ...]:
    if not isinstance(items, list):
        raise _Unreadable(f"{kind.__name__}: not a list")
    return tuple(_parse(kind, item) for item in items)


def _parse(kind: type[T], item: Any) -> T:
    known = {f.name: f for f in fields(kind)}
    if not isinstance(item, dict) or not set(item) <= set(known):
        raise _Unreadable(f"{kind.__name__}: unknown fields")
    missing = [name for name, f in known.items() if f.default is MISSING and name not in item]
    if missing:
        raise _Unreadable(f"{kind.__name__}: {missing[0]} is missing")
    return kind(**{name: _parse_value(known[name].type, name, value) for name, value in item.items()})


def _parse_value(kind: Any, name: str, value: Any) -> Any:
    if kind is datetime and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise _Unreadable(f"{name} is no time") from error
        if moment.tzinfo is None:
            raise _Unreadable(f"{name} has no time zone")
        return moment
    if kind is not datetime and type(value) is kind:
        return value
    raise _Unreadable(f"{name} is of another type")


def _still_valid(answer: Restrictions, now: datetime) -> Restrictions:
    return Restrictions(
        answer.blocks,
        tuple(lift for lift in answer.lifts if lift.valid_to > now),
        tuple(consent for consent in answer.consents if consent.valid_to > now),
    )
