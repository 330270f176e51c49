"""Our DIMSE listener as a process, and DCMTK's programs as the systems that call it."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import find_free_port, is_listening, start_process, stop_process, wait_until
from tests.support.samsyn import PROJECT, SamsynServer

OWN_TITLE = "SAMSYN"


@dataclass(frozen=True, slots=True)
class Listener:
    """A running listener."""

    port: int
    log_path: Path

    def call(self, program: str, title: str, *arguments: str, timeout_s: float = 60) -> str:
        """Run a DCMTK program against it as an application entity; returns all it wrote.

        Raises
        ------
        CallFailed
            The program ended with another code than 0.
        """
        command = [program, "-aet", title, "-aec", OWN_TITLE, "127.0.0.1", str(self.port), *arguments]
        done = subprocess.run(command, capture_output=True, timeout=timeout_s, check=False)
        text = (done.stdout + done.stderr).decode("utf-8", "replace")
        if done.returncode:
            raise CallFailed(f"{command} ended with {done.returncode}:\n{text}")
        return text


class CallFailed(RuntimeError):
    """A program of DCMTK ended with an error; the message holds what it wrote."""


@contextmanager
def run_listener(server: SamsynServer, folder: Path, *arguments: str) -> Iterator[Listener]:
    """Run `manage.py listen_dimse` in an installation."""
    port = find_free_port()
    log_path = folder / "listener.log"
    command = [sys.executable, "manage.py", "listen_dimse", "--port", str(port), *arguments]
    process = start_process(command, log_path, environment=server.environment, folder=PROJECT)
    try:
        wait_until(process, lambda: is_listening(port), "the DIMSE listener")
        yield Listener(port, log_path)
    finally:
        stop_process(process)


@contextmanager
def run_storescp(folder: Path, title: str, *options: str) -> Iterator[int]:
    """Run DCMTK's storescp that writes what it gets into a folder; yields its port."""
    port = find_free_port()
    folder.mkdir(exist_ok=True)
    command = ["storescp", "-aet", title, "-od", str(folder), *options, str(port)]
    process = start_process(command, folder.parent / f"{folder.name}.log")
    try:
        wait_until(process, lambda: is_listening(port), "storescp")
        yield port
    finally:
        stop_process(process)


def find_responses(text: str) -> list[dict[str, str]]:
    """Read findscu's responses: one `tag -> value` a response."""
    found: list[dict[str, str]] = []
    for line in text.splitlines():
        if "Find Response:" in line:
            found.append({})
        elif found and line.lstrip("I: ").startswith("(") and "," in line:
            tag, _, rest = line.removeprefix("I: ").partition(" ")
            _, _, rest = rest.partition(" ")
            value = rest.split("#", 1)[0].strip()
            found[-1][tag.strip("()").replace(",", "")] = value.strip("[]").strip()
    return found


def write_files(folder: Path, files: Sequence[bytes]) -> list[str]:
    """Write instances to files; returns their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number, file in enumerate(files):
        path = folder / f"{number:04d}.dcm"
        path.write_bytes(file)
        paths.append(str(path))
    return paths
