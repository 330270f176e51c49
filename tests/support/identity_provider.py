"""An identity provider as a region has one: oidc-provider on Node, in a process of its own."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import RunningProcess, is_listening, start_process, stop_process, wait_until

FOLDER = Path(__file__).parent / "oidc_provider"
NODE = Path(__file__).resolve().parents[2] / ".venv" / "bin" / "node"


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """A running provider."""

    port: int
    process: RunningProcess

    @property
    def issuer(self) -> str:
        """Its name and address."""
        return f"http://127.0.0.1:{self.port}"

    def list_requests(self) -> list[dict[str, str]]:
        """Return what it was asked so far, oldest first."""
        lines = self.process.log_path.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextlib.contextmanager
def run_identity_provider(
    folder: Path, port: int, redirect_uri: str, people: dict[str, dict[str, object]]
) -> Iterator[IdentityProvider]:
    """Run a provider for the length of the block.

    Parameters
    ----------
    people
        Claims of each person by login name.
    """
    if not (FOLDER / "node_modules").exists():
        raise FileNotFoundError("oidc-provider is not installed: run scripts/install_node_packages.sh")
    command = [str(NODE), str(FOLDER / "provider.mjs"), str(port), redirect_uri, json.dumps(people)]
    process = start_process(command, folder / "provider.log", folder=folder)
    try:
        wait_until(process, lambda: is_listening(port), "the identity provider")
        yield IdentityProvider(port, process)
    finally:
        stop_process(process)
