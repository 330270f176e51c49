"""Where all random choices and UIDs of a region come from: one seed, and a name for what is decided."""

import hashlib
import uuid
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seed of a region; a random stream for every question keeps one answer from moving the others."""

    seed: int

    def make_uid(self, *names: object) -> str:
        """Make the UID of what `names` name: the same names give the same UID.

        Standard: PS3.5 B.2
        """
        space = uuid.uuid5(uuid.NAMESPACE_OID, f"samsyn-region-{self.seed}")
        return f"2.25.{uuid.uuid5(space, _join(names)).int}"

    def open_stream(self, *names: object) -> np.random.Generator:
        """Open the random stream of what `names` name."""
        digest = hashlib.sha256(f"{self.seed}/{_join(names)}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _join(names: tuple[object, ...]) -> str:
    return "/".join(str(name) for name in names)
