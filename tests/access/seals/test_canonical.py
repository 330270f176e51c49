"""The bytes under a seal: fixed for ever, and hashed as RFC 6962 says."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from access.models import AuditEvent
from access.seals.canonical import COLUMNS, encode_row, merkle_root

RFC_9162_LEAVES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")
]


def test_every_column_of_the_log_is_under_the_seal():
    assert [field.attname for field in AuditEvent._meta.concrete_fields] == list(COLUMNS)


def test_the_bytes_of_a_row_never_change():
    moment = datetime(2026, 11, 24, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    values = [
        7,
        moment,
        "read",
        "success",
        "anna",
        "person",
        None,
        *[""] * 6,
        "::1",
        5,
        "1.2",
        "9",
        {"b": 1, "a": "å"},
    ]
    assert encode_row(values) == (
        b'samsyn audit row 1\n[7,"2026-11-24T12:00:00.000000Z","read","success","anna","person",null,'
        b'"","","","","","","::1",5,"1.2","9",{"a":"\\u00e5","b":1}]'
    )
    assert encode_row([moment]) == encode_row([moment.astimezone(UTC)])


def test_known_roots():
    """Roots of the test vectors that implementations of certificate transparency share."""
    known = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    }
    for size, root in known.items():
        assert merkle_root(RFC_9162_LEAVES[:size]).hex() == root
    assert merkle_root([]) == hashlib.sha256(b"").digest()


def by_definition(leaves: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962 2.1."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:split]) + by_definition(leaves[split:])).digest()


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70))
def test_the_root_is_that_of_the_definition(leaves):
    assert merkle_root(leaves) == by_definition(leaves)
