"""Starting and stopping the processes of an embedded installation: granian and the duties, together."""

import ctypes
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from django.conf import settings

WEB_WORKERS = 2
WEB_THREADS = 64
STOP_WITHIN_S = 15.0
# A block of 256 KiB that goes back to the kernel is paid for page by page when it is needed again: on a busy machine
# up to half of the CPU of a frame. Keep some, in few arenas, so that a busy worker stays small.
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "4",
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(8 << 20),
    "MALLOC_TOP_PAD_": str(1 << 20),
}
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class ServerDidNotStart(RuntimeError):
    """The web process ended or did not answer in time; its own output says why."""


class PortInUse(OSError):
    """Another program listens at this address already."""


def check_port_is_free(address: Address) -> None:
    """Return if nobody listens there: granian's workers share their port, so it would join a stranger's in silence.

    Raises
    ------
    PortInUse
        Somebody does.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
            probe.listen()
        except OSError as error:
            raise PortInUse(f"{address.url} is in use or not ours to take ({error.strerror})") from error


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen at is reached from this machine only."""
    return host == "localhost" or ipaddress.ip_address(host).is_loopback


def exit_on_signals() -> None:
    """Let SIGINT and SIGTERM end this process as an exception, so that what it has started is stopped too."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def start_web(address: Address) -> subprocess.Popen[bytes]:
    """Start granian (WSGI, 2 workers x 64 threads)."""
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws",
        "--host", address.host, "--port", str(address.port),
        "--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS),
        "--backpressure", "256", "--workers-kill-timeout", "5s", "--respawn-failed-workers",
        "--respawn-interval", "1",
        "--log-level", "warning", "deploy.wsgi:application",
    ]  # fmt: skip
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    return _start(command)


def start_duties() -> subprocess.Popen[bytes]:
    """Start the process that does what nobody waits for."""
    return _start([sys.executable, str(settings.PROJECT / "manage.py"), "run_duties"])


def start_mllp(port: int) -> subprocess.Popen[bytes]:
    """Start the process that takes HL7 v2, on this machine only: beyond it, `listen_mllp` wants to know of TLS."""
    return _start([sys.executable, str(settings.PROJECT / "manage.py"), "listen_mllp", "--port", str(port)])


def wait_until_ready(address: Address, web: subprocess.Popen[bytes], within_s: float = 30.0) -> None:
    """Return once the server answers.

    Raises
    ------
    ServerDidNotStart
        It ended, or was silent for `within_s` seconds.
    """
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if web.poll() is not None:
            raise ServerDidNotStart(f"the web process ended with status {web.returncode}")
        try:
            with urllib.request.urlopen(f"{address.url}/readyz", timeout=2) as answer:  # noqa: S310 (own address)
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise ServerDidNotStart(f"no answer from {address.url} within {within_s:g} s")


def run_until_stopped(children: list[subprocess.Popen[bytes]]) -> int:
    """Wait for SIGINT or SIGTERM, or for a child to end; then stop all. Returns the exit status."""
    stopping = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    while not stopping and all(child.poll() is None for child in children):
        time.sleep(0.2)
    ended = [child for child in children if child.poll() is not None]
    stop_processes(children)
    return 0 if stopping else (ended[0].returncode or 1)


def stop_processes(children: list[subprocess.Popen[bytes]]) -> None:
    """Ask the processes to stop and end those that do not: an open transfer must not hold the stop for ever."""
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + STOP_WITHIN_S
    for child in children:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill_group(child)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    environment = {**ALLOCATOR, **os.environ, "SAMSYN_HOME": str(settings.SAMSYN_HOME)}
    return subprocess.Popen(
        command,
        cwd=settings.PROJECT,
        env=environment,
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )


def _die_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it is gone, however it went."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    child.wait(5)
