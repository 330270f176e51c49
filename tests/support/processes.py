"""Start a program on a loopback port, know what it uses, and end it by its own process ids."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class ProcessEnded(RuntimeError):
    """A program ended, or stayed silent, where a running one was needed; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A program started for a test, leader of its own process group."""

    popen: subprocess.Popen[bytes]
    log_path: Path

    @property
    def pid(self) -> int:
        """Process id of the leader."""
        return self.popen.pid


def find_free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def start_process(
    command: Sequence[str],
    log_path: Path,
    *,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    orphan_signal: str = "KILL",
) -> RunningProcess:
    """Start `command` in a process group of its own, its output appended to `log_path`.

    Parameters
    ----------
    user
        Account to run as; only root may name another.
    orphan_signal
        What the kernel sends the program should the test run die without cleaning up.
    """
    if shutil.which("setpriv"):
        command = ["setpriv", "--pdeathsig", orphan_signal, "--", *command]
    with log_path.open("ab") as log:
        popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=dict(environment) if environment is not None else None,
            user=user,
            start_new_session=True,
        )
    return RunningProcess(popen, log_path)


def wait_until(
    process: RunningProcess, is_ready: Callable[[], bool], what: str, *, timeout_s: float = 60
) -> None:
    """Return when `is_ready()` says so.

    Raises
    ------
    ProcessEnded
        The program ended first, or was not ready in time.
    """
    deadline = time.monotonic() + timeout_s
    while not is_ready():
        code = process.popen.poll()
        if code is not None:
            raise ProcessEnded(f"{what} ended with {code}:\n{read_log_end(process.log_path)}")
        if time.monotonic() > deadline:
            raise ProcessEnded(
                f"{what} was not ready after {timeout_s:.0f} s:\n{read_log_end(process.log_path)}"
            )
        time.sleep(0.05)


def read_log_end(path: Path, *, size_bytes: int = 4000) -> str:
    """Return the last part of a log file, as text."""
    return path.read_bytes()[-size_bytes:].decode(errors="replace") if path.exists() else "(no log)"


def is_listening(port: int) -> bool:
    """Say whether something accepts connections on this port of 127.0.0.1."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


def stop_process(
    process: RunningProcess, *, first_signal: int = signal.SIGTERM, patience_s: float = 20
) -> int:
    """Ask the leader to end, kill its whole group if it does not, and return the leader's exit code."""
    if process.popen.poll() is None:
        process.popen.send_signal(first_signal)
        try:
            process.popen.wait(patience_s)
        except subprocess.TimeoutExpired:
            kill_group(process)
    kill_group(process)
    return process.popen.wait()


def kill_group(process: RunningProcess) -> None:
    """Kill the leader and all of its children at one stroke (SIGKILL), and wait until all are gone."""
    kill_all(find_group(process))
    process.popen.wait()


def is_alive(pid: int) -> bool:
    """Say whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def find_group(process: RunningProcess) -> tuple[int, ...]:
    """Return the process ids of the leader and everything it started that stayed in its session."""
    return tuple(pid for pid in _list_pids() if _session_of(pid) == process.pid and is_alive(pid))


def find_by_environment(name: str, value: str) -> tuple[int, ...]:
    """Return the living processes that were started with this environment variable, orphans included."""
    needle = f"{name}={value}".encode()
    found = []
    for pid in _list_pids():
        with contextlib.suppress(OSError):
            if needle in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") and is_alive(pid):
                found.append(pid)
    return tuple(found)


def kill_all(pids: Sequence[int], *, patience_s: float = 20) -> None:
    """Kill processes at one stroke (SIGKILL), and wait until all are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + patience_s
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)


def _list_pids() -> list[int]:
    return sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _session_of(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3])
    return 0


def measure_peak_bytes(pids: Sequence[int]) -> int:
    """Return the sum of the largest resident sizes the processes ever had, since start or `reset_peak`, in bytes."""
    total_bytes = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total_bytes += int(line.split()[1]) * 1024
    return total_bytes


def reset_peak(pids: Sequence[int]) -> None:
    """Let `measure_peak_bytes` begin anew from what the processes hold now."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def measure_cpu_s(pids: Sequence[int]) -> float:
    """Return the CPU time the processes have used so far, user and system, in seconds."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / CLOCK_TICKS_PER_S
