"""The authenticator app of a person. Standard: RFC 6238"""

import base64
import hmac
import struct
import time


def make_code(secret: str, *, steps_ahead: int = 0) -> str:
    """Return the six digits that the app shows now."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30 + steps_ahead), "sha1")
    start = digest[-1] & 15
    return f"{(int.from_bytes(digest[start : start + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"
