"""Write docs/refusals.md: what a server says to every file of the sample data, each sent alone, in order.

Usage: python scripts/write_refusals.py SAMPLE_DATA --url http://127.0.0.1:8000/dicom-web --token TOKEN

The server must be empty: the first file under a SOP Instance UID is the one that stays. A test makes the page anew and
compares.
"""

import argparse
import csv
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deploy.importing.stow_client import StoreAnswer, StowServer, store_instances
from repository.frames import find_frames
from repository.header.errors import MissingFileMeta
from repository.part10 import complete_file, read_header

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "refusals.md"
FOLDERS = ("files", "derived")
MADE, PAIR = "derived/", "derived/pair_"
OTHER_CONTENT, OTHER_PATIENT = "is stored already with other content", "belongs to another patient"
HEAD = """# Which real-world files are refused, and why

Written by `scripts/write_refusals.py` and held to the server by `tests/server/test_real_files.py`: every file of the
sample data (other people's systems and toolkits, under `files/`, and edits of one small MR, under `derived/`) was sent
alone, in the order of the names, to an empty installation (the edits share a
study; they are shown as if each came first). {stored} of {total} files are stored, {refused} refused.

The rule: what can be kept safely is kept, with a remark in the store response where something is odd. Refused is what
does not say which instance, series and study it is, what is cut off or cannot be followed to its end, what
contradicts itself about its identity or encoding, and what would overwrite or merge what is stored already.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the server said to one file: `file` is its path in the sample data, `remark` the reason or what is odd."""

    file: str
    is_stored: bool
    remark: str


def list_samples(data: Path) -> list[Path]:
    """List the files of the sample data in the order they are sent."""
    return [path for folder in FOLDERS for path in sorted((data / folder).rglob("*")) if path.is_file()]


def send_samples(server: StowServer, data: Path) -> list[Verdict]:
    """Send every file in a request of its own."""
    return [_send(server, path, path.relative_to(data).as_posix()) for path in list_samples(data)]


def _send(server: StowServer, path: Path, file: str) -> Verdict:
    content = path.read_bytes()
    verdict = judge(file, store_instances(server, [content]))
    if OTHER_PATIENT in verdict.remark and file.startswith(MADE) and not file.startswith(PAIR):
        # The edits share one study, and some have another patient: here each is wanted as it is alone.
        return Verdict(file, True, "; ".join(_find_remarks(content)))
    return verdict


def _find_remarks(content: bytes) -> tuple[str, ...]:
    try:
        header = read_header(content)
    except MissingFileMeta:
        content = complete_file(content)
        header = read_header(content)
    return header.warnings + find_frames(content, header)[1]


def judge(file: str, answer: StoreAnswer) -> Verdict:
    """Read the answer to a request of one file."""
    failures = (*answer.failed.values(), *answer.others)
    if answer.stored and not failures:
        return Verdict(file, True, "; ".join(answer.stored.values()))
    return Verdict(file, False, failures[0] if failures else answer.error)


def read_expectations(data: Path) -> dict[str, tuple[str, str]]:
    """Read what was done to each edited file and what its maker expected, by file."""
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as file:
        notes = {row["file"]: row["note"].partition(" | expected: ") for row in csv.DictReader(file)}
    return {name: (done, expected) for name, (done, _, expected) in notes.items() if expected}


def build_page(verdicts: Iterable[Verdict], expectations: dict[str, tuple[str, str]]) -> str:
    """Return the page."""
    verdicts = list(verdicts)
    refused = [verdict for verdict in verdicts if not verdict.is_stored]
    found = [verdict for verdict in verdicts if not verdict.file.startswith(MADE)]
    head = HEAD.format(stored=len(verdicts) - len(refused), total=len(verdicts), refused=len(refused))
    sections = (head, _count_reasons(refused), _list_refused(found), _list_edited(verdicts, expectations))
    return "\n".join((*sections, _count_remarks(verdicts)))


def _count_reasons(refused: list[Verdict]) -> str:
    counts = Counter(generalise(verdict.remark) for verdict in refused)
    lines = ["## Reasons", "", "| reason | files |", "|---|---:|"]
    lines += [f"| {escape(reason)} | {count} |" for reason, count in _by_number(counts)]
    return "\n".join([*lines, ""])


def _list_refused(found: list[Verdict]) -> str:
    refused = [verdict for verdict in found if not verdict.is_stored]
    twins = Counter(verdict.file.rpartition("/")[0] for verdict in refused if OTHER_CONTENT in verdict.remark)
    lines = ["## Files as they were found", "", "| file | reason |", "|---|---|"]
    lines += [
        f"| {escape(verdict.file)} | {escape(verdict.remark)} |"
        for verdict in refused
        if OTHER_CONTENT not in verdict.remark
    ]
    lines += [
        "",
        "The sample data holds many instances in several transfer syntaxes or edits under one SOP Instance UID.",
    ]
    lines += ["The first is stored, another content under its UID is not (PS3.5 9):", ""]
    lines += ["| folder | refused as second content |", "|---|---:|"]
    lines += [f"| {escape(folder)} | {count} |" for folder, count in sorted(twins.items())]
    return "\n".join([*lines, ""])


def _list_edited(verdicts: list[Verdict], expectations: dict[str, tuple[str, str]]) -> str:
    lines = ["## Files that were edited to be odd", ""]
    lines += ["| file | what was done | proposed | outcome | reason or remark |", "|---|---|---|---|---|"]
    for verdict in verdicts:
        if verdict.file in expectations:
            done, expected = expectations[verdict.file]
            outcome = "stored" if verdict.is_stored else "refused"
            cells = (verdict.file.removeprefix(MADE), done, expected, outcome, verdict.remark)
            lines.append("| " + " | ".join(map(escape, cells)) + " |")
    return "\n".join([*lines, ""])


def _count_remarks(verdicts: list[Verdict]) -> str:
    remarks = (remark for v in verdicts if v.is_stored for remark in v.remark.split("; ") if remark)
    lines = ["## Remarks on stored files", "", "| remark | files |", "|---|---:|"]
    lines += [f"| {escape(remark)} | {n} |" for remark, n in _by_number(Counter(map(generalise, remarks)))]
    return "\n".join([*lines, ""])


def _by_number(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def generalise(text: str) -> str:
    """Replace what is different in every file: the element where any may have the fault, UIDs and numbers of bytes."""
    text = re.sub(
        r"^\(?[0-9A-F]{4},?[0-9A-F]{4}\)(?= (announces|has VR|is there|has a value))", "(gggg,eeee)", text
    )
    text = re.sub(r"^private element \([0-9A-F]{4},[0-9A-F]{4}\)", "private element (gggg,eeee)", text)
    text = re.sub(r"(?<=has VR )[A-Z]{2}, the dictionary says .+$", "xx, the dictionary says yy", text)
    return re.sub(r"(?<![\d.A-Z(,])\b\d{2,}\b(?=[ .,;]| are|$)(?![^(]*H\))", "N", text)


def escape(text: str) -> str:
    """Return the text in one line, so that Markdown takes it as it is."""
    return re.sub(r"([|<>*\\`])", r"\\\1", " ".join(text.split()))


def run(arguments: list[str]) -> None:
    """Send, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    options = parser.parse_args(arguments)
    verdicts = send_samples(StowServer(options.url.rstrip("/"), options.token), options.data)
    PAGE.write_text(build_page(verdicts, read_expectations(options.data)), encoding="utf-8")


if __name__ == "__main__":
    run(sys.argv[1:])
