"""CPU seconds of the process that listens on a port and of all it has started (Linux)."""

import os
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
LISTENING = "0A"


def find_listeners(port: int) -> set[int]:
    """Return the processes that hold the listening socket of a port."""
    sockets = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
            sockets.add(f"socket:[{fields[9]}]")
    return {int(path.parts[2]) for path in _descriptors() if _target_of(path) in sockets}


def read_cpu_s(roots: set[int]) -> float:
    """Return what these processes and their descendants have used so far, ended children included."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # the process has ended
            continue
        pid = int(path.parts[2])
        parents[pid], used[pid] = int(fields[1]), sum(int(n) for n in fields[11:15])
    return sum(ticks for pid, ticks in used.items() if _descends(pid, roots, parents)) * TICK_S


def _descends(pid: int, roots: set[int], parents: dict[int, int]) -> bool:
    while pid and pid not in roots:
        pid = parents.get(pid, 0)
    return pid in roots


def _descriptors() -> list[Path]:
    return list(Path("/proc").glob("[0-9]*/fd/*"))


def _target_of(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # closed meanwhile
        return ""
