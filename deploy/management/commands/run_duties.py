"""`manage.py run_duties`: the duties process of the embedded profile."""

import fcntl
import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from deploy.duties import run_forever


class Command(BaseCommand):
    """Run every duty and send deliveries until SIGTERM or SIGINT."""

    help = "Run the duties (quiet studies, deliveries, sweeps) until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until stopped; what is being sent is given back first, and goes on after the next start."""
        lock = _lock(Path(settings.SAMSYN_HOME) / "run" / "duties.lock")
        stop = threading.Event()

        def ask_to_stop(signal_number: int, frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, ask_to_stop)
        signal.signal(signal.SIGINT, ask_to_stop)
        try:
            run_forever(stop)
        finally:
            os.close(lock)


def _lock(path: Path) -> int:
    """Hold the lock of the one duties process; the kernel frees it when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise CommandError(f"another duties process holds {path}") from error
    return descriptor
