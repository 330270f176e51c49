"""A lock file that lets one writer of all processes in at a time."""

import fcntl
import os
import threading
from pathlib import Path

TURNSTILE_WAIT_S = 10.0


class TurnstileTimeout(Exception):
    """No turn at the write lock within the time allowed."""


class Turnstile:
    """One open lock file; the kernel frees it when the process dies.

    Waiting is a blocking `flock`, which the kernel serves in order of arrival: polling would starve
    the unlucky. As `flock` knows no time-out, a waiter that gives up leaves the call to a helper
    thread, which passes the lock on at once when it comes.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._fd: int | None = None

    def enter(self, wait_s: float = TURNSTILE_WAIT_S) -> None:
        """Take the lock.

        Raises
        ------
        TurnstileTimeout
            Nobody let us in within `wait_s` seconds.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait_in_line(fd, wait_s)
        self._fd = fd

    def leave(self) -> None:
        """Free the lock; without effect when it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _wait_in_line(fd: int, wait_s: float) -> None:
    decided = threading.Lock()
    got_it = threading.Event()
    gave_up = False

    def block() -> None:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with decided:
            if gave_up:
                os.close(fd)
            else:
                got_it.set()

    threading.Thread(target=block, name="turnstile", daemon=True).start()
    if got_it.wait(wait_s):
        return
    with decided:
        if got_it.is_set():
            return
        gave_up = True
    raise TurnstileTimeout(f"the write lock was not free within {wait_s:g} s")
