"""What the access log needs done every few seconds; it may run twice, also at the same time."""

import logging
import time

from access.seals.keys import UnusableSealingKey
from access.seals.roots import SealsMissing
from access.seals.seal import seal

log = logging.getLogger(__name__)

SAID_AGAIN_AFTER_S = 600.0
_said: dict[str, float] = {}


def seal_log() -> int:
    """Seal what is settled; what keeps it from that is said every ten minutes, until somebody has looked."""
    try:
        return seal()
    except (SealsMissing, UnusableSealingKey) as error:
        now = time.monotonic()
        if now - _said.get(str(error), -SAID_AGAIN_AFTER_S) >= SAID_AGAIN_AFTER_S:
            _said[str(error)] = now
            log.error("the access log is not sealed: %s", error)
        return 0
