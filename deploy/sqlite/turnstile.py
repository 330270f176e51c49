"""A lock file that lets one writer of all processes in at a time."""

import fcntl
import os
import queue
import threading
from functools import cache
from pathlib import Path

TURNSTILE_WAIT_S = 10.0


class TurnstileTimeout(Exception):
    """No turn at the write lock within the time allowed."""


class Turnstile:
    """One open lock file; the kernel frees it when the process dies.

    Waiting is a blocking `flock`, which the kernel serves in order of arrival: polling would starve
    the unlucky. As `flock` knows no time-out, a helper thread waits for the others of its process, in
    their order; the lock of a waiter that gave up meanwhile is freed at once when it comes.
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
            _wait_in_line(self._path, fd, wait_s)
        self._fd = fd

    def leave(self) -> None:
        """Free the lock; without effect when it is not held."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class _Waiter:
    """One thread that waits; who comes second, the lock or the end of its patience, is told by the other."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.turn = threading.Lock()
        self.turn.acquire()
        self.decided = threading.Lock()
        self.has_it = False
        self.gave_up = False

    def hand_over(self) -> None:
        """Give the lock that was just taken to the waiter, or free it if nobody wants it any more."""
        with self.decided:
            if self.gave_up:
                os.close(self.fd)
                return
            self.has_it = True
        self.turn.release()


class _Line:
    """The waiters of this process: one thread stands in the kernel's line for all of them, one after the other."""

    def __init__(self) -> None:
        self._waiters: queue.SimpleQueue[_Waiter] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="turnstile", daemon=True).start()

    def join(self, waiter: _Waiter) -> None:
        """Stand at the end."""
        self._waiters.put(waiter)

    def _serve(self) -> None:
        while True:
            waiter = self._waiters.get()
            fcntl.flock(waiter.fd, fcntl.LOCK_EX)
            waiter.hand_over()


@cache
def _line(path: Path, process_id: int) -> _Line:
    """Return the line of a lock file; a process that was forked begins its own, threads do not come along."""
    return _Line()


def _wait_in_line(path: Path, fd: int, wait_s: float) -> None:
    waiter = _Waiter(fd)
    _line(path, os.getpid()).join(waiter)
    if waiter.turn.acquire(timeout=wait_s):
        return
    with waiter.decided:
        if waiter.has_it:
            return
        waiter.gave_up = True
    raise TurnstileTimeout(f"the write lock was not free within {wait_s:g} s")
