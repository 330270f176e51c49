"""The affinity domain in force: what is configured, read once and again when the file changes.

`SAMSYN_AFFINITY_DOMAIN` names the file, else `affinity.yaml` in `SAMSYN_HOME`, else the one that is shipped.
A file says only what differs from the shipped one.
"""

import os
import threading
from pathlib import Path

from django.conf import settings

from registry.affinity_domain.read import InvalidAffinity, read_affinity
from registry.affinity_domain.shapes import (
    Affinity,
    CodeList,
    DocumentCodes,
    Issuer,
    Location,
    PatientDomain,
    Procedure,
    TextList,
    WordMapping,
)

__all__ = [
    "Affinity",
    "CodeList",
    "DocumentCodes",
    "InvalidAffinity",
    "Issuer",
    "Location",
    "PatientDomain",
    "Procedure",
    "TextList",
    "WordMapping",
    "affinity",
    "affinity_path",
]

SHIPPED = Path(__file__).parent / "affinity_domain" / "sweden.yaml"
_lock = threading.Lock()
_known: tuple[tuple[Path, int, int], Affinity] | None = None


def affinity() -> Affinity:
    """Return the affinity domain; read again when the file was changed.

    Raises
    ------
    InvalidAffinity
        The file breaks a rule; `errors` says each of them.
    """
    global _known
    path = affinity_path()
    key = _stamp(path)
    known = _known
    if known is not None and known[0] == key:
        return known[1]
    with _lock:
        domain = read_affinity(path, SHIPPED)
        _known = (key, domain)
    return domain


def affinity_path() -> Path:
    """Return the file that is in force."""
    named = os.environ.get("SAMSYN_AFFINITY_DOMAIN", "")
    if named:
        return Path(named)
    local = Path(settings.SAMSYN_HOME) / "affinity.yaml"
    return local if local.exists() else SHIPPED


def _stamp(path: Path) -> tuple[Path, int, int]:
    try:
        status = path.stat()
    except OSError:
        return path, 0, 0
    return path, status.st_mtime_ns, status.st_size
