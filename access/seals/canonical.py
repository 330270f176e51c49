"""What a seal is made over: the bytes of a row, and one hash over the rows of a batch.

The format is fixed: a column that comes later is not part of it, or needs a new prefix and a new kind of seal.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

COLUMNS = (
    "id",
    "recorded_at",
    "action",
    "outcome",
    "actor",
    "actor_kind",
    "assignment_id",
    "role",
    "on_behalf_of",
    "care_unit_hsa_id",
    "department_hsa_id",
    "purpose",
    "door",
    "address",
    "patient_id",
    "study_instance_uid",
    "rule",
    "detail",
)
ROW_PREFIX = b"samsyn audit row 1\n"
_LEAF = b"\x00"
_NODE = b"\x01"


def encode_row(values: Sequence[Any]) -> bytes:
    """Return the bytes of a row, given its values in the order of `COLUMNS`: the same on both databases.

    A JSON array without white space, keys in order, ASCII only, times in UTC with microseconds.
    """
    told = [format_time(value) if isinstance(value, datetime) else value for value in values]
    return ROW_PREFIX + json.dumps(told, sort_keys=True, separators=(",", ":")).encode("ascii")


def format_time(moment: datetime) -> str:
    """Write a time as `2026-11-24T12:00:00.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the hash tree over the leaves, in their order.

    Standard: RFC 6962 2.1
    """
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = [hashlib.sha256(_LEAF + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [
            hashlib.sha256(_NODE + level[n] + level[n + 1]).digest() for n in range(0, len(level) - 1, 2)
        ]
        # The last of an odd number moves up as it is: pairing from the left gives the tree of the standard.
        level = pairs + level[len(pairs) * 2 :]
    return level[0]
