"""An affinity domain in which the merges of one issuer wait for a person."""

from pathlib import Path

import pytest

DOMAINS = """
patient_domains:
  - {oid: 1.2.752.129.2.1.3.1, name: Personnummer, is_xds: true, check: national}
"""


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Let the merges of an issuer wait from now on."""

    def wait(oid: str) -> None:
        path = tmp_path / "affinity.yaml"
        path.write_text(f"{DOMAINS}  - {{oid: {oid}, name: Lokalt nummer, merges: queue}}\n")
        monkeypatch.setenv("SAMSYN_AFFINITY_DOMAIN", str(path))

    return wait
