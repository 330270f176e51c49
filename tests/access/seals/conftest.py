"""A key, a file of roots and a log of one's own for each test."""

import pytest

from access import audit
from access.actor import Actor, Scope

ACTOR = Actor("person", "doktor", Scope(), frozenset(), assignment_id=7, department_hsa_id="SE-1")


@pytest.fixture(autouse=True)
def sealing_files(settings, tmp_path):
    """Let keys and roots lie in a folder of the test."""
    settings.AUDIT_KEY_FILE = str(tmp_path / "audit" / "seal.key")
    settings.AUDIT_PUBLIC_KEYS_FILE = str(tmp_path / "audit" / "seal.pub")
    settings.AUDIT_ROOTS_FILE = str(tmp_path / "audit" / "roots.jsonl")
    return tmp_path / "audit"


def write_events(count: int, actor: Actor = ACTOR) -> list[int]:
    """Write some events; returns their ids."""
    return [
        audit.record(actor, "search", door="qido", patient_id=n, detail={"query": f"PatientID={n}", "å": n})
        for n in range(count)
    ]
