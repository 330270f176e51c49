"""Print what the header reader makes of every file below some folders: file | stored or refused | reason.

Usage: python bench/header_table.py FOLDER...
"""

import sys
from collections import Counter
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from repository.frames import find_frames
from repository.part10 import Part10Error, read_header


def describe_file(path: Path) -> tuple[str, str, str]:
    """Return how a file was read, whether it is stored, and why not or what is odd."""
    data = path.read_bytes()
    try:
        header = read_header(data)
    except Part10Error as error:
        return "refused", "refused", f"{type(error).__name__} 0x{error.failure_reason:04X}: {error}"
    table, found = find_frames(data, header)
    frames = f"{table.number_of_frames} frames" if table else "no frames"
    return header.parsed_by, "stored", "; ".join((frames, *header.warnings, *found))


def print_table(folders: list[str]) -> None:
    """Print the table and the counts."""
    counts: Counter[str] = Counter()
    slowest = (0.0, "")
    for folder in folders:
        for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
            start = process_time()
            parsed_by, outcome, reason = describe_file(path)
            slowest = max(slowest, (process_time() - start, path.name))
            counts[parsed_by] += 1
            print(path.relative_to(folder), outcome, reason, sep=" | ")
    print(dict(counts), f"slowest {slowest[1]}: {slowest[0] * 1000:.0f} ms")


if __name__ == "__main__":
    print_table(sys.argv[1:])
