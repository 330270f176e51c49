"""Write docs/sample-data.md: what a server gives of every file of the sample data, in every form one may ask for.

Usage: python scripts/write_sample_data.py SAMPLE_DATA --url http://127.0.0.1:8000/dicom-web --token TOKEN

Each file is stored alone, read in every way and deleted again, so that each is met as if it came first. The server
must be empty; the token needs the scopes store, read and delete. A test makes the page anew and compares.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import urllib3

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deploy.importing.stow_client import StowServer, store_instances
from repository.header.errors import MissingFileMeta
from repository.part10 import complete_file, read_header
from scripts.write_refusals import escape, generalise, list_samples

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "sample-data.md"
JSON, XML = "application/dicom+json", 'multipart/related; type="application/dicom+xml"'
INSTANCE_FORMS = {
    "default": "application/dicom",
    "stored": "application/dicom; transfer-syntax=*",
    "multipart": 'multipart/related; type="application/dicom"',
    "zip": "application/zip",
    "deflated": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1.99",
    "RLE": "application/dicom; transfer-syntax=1.2.840.10008.1.2.5",
    "JPEG": "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.70",
    "JPEG-LS": "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.80",
    "JPEG 2000": "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90",
    "HTJ2K": "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.201",
}
FRAME_FORMS = {
    "octets": "application/octet-stream",
    "stored": 'multipart/related; type="application/octet-stream"; transfer-syntax=*',
    "any": "*/*",
    "JPEG": "image/jpeg",
    "JPEG-LS": "image/jls",
    "JPEG 2000": "image/jp2",
    "HTJ2K": "image/jphc",
    "RLE": "image/dicom-rle",
}
RENDERED_FORMS = {
    "any": "*/*",
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "MP4": "video/mp4",
    "HTML": "text/html",
    "text": "text/plain",
    "PDF": "application/pdf",
}
HEAD = """# What the server gives of every sample file

Written by `scripts/write_sample_data.py` and held to the server by `tests/server/test_sample_data.py` (in
`make check-long`). Every file of the sample data was stored alone, searched for at the three levels, read as metadata
(JSON, XML and each bulk value), as an instance, as its first and last frame, and rendered, in every form of the table,
and deleted again. {total} files, {stored} stored; {requests} requests, none was answered with a server error.
[refusals.md](refusals.md) has the remarks on what is stored, and what happens when the files come one after another.

Files of a folder for which everything is alike share a row. A form that is not given carries the number of its reason
below the table. Forms: an instance by default (Explicit VR Little Endian, or lossy as it is stored), as it is stored,
multipart, as zip, and compressed on the way; frames as octets, as stored, without a wish (`*/*`), and by image type;
rendered without a wish and by type.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file: the transfer syntax, and for each column the forms with the reason where one failed."""

    file: str
    transfer_syntax_uid: str
    columns: tuple[tuple[tuple[str, str], ...], ...]

    @property
    def is_stored(self) -> bool:
        """Whether the server took it."""
        return self.columns[0] == (("yes", ""),)


class ServerFault(AssertionError):
    """The server answered with a server error: the message says to what."""


@dataclass(slots=True)
class Reader:
    """A client that counts its requests and never takes a server error."""

    server: StowServer
    requests: int = 0

    def ask(self, path: str, accept: str, method: str = "GET") -> urllib3.BaseHTTPResponse:
        """Send one request; the path is below the base, or a whole URL."""
        self.requests += 1
        headers = {"Authorization": f"Bearer {self.server.token}", "Accept": accept}
        url = path if path.startswith("http") else self.server.url + path
        answer = self.server.pool.request(method, url, headers=headers)
        if answer.status >= 500:
            raise ServerFault(
                f"{method} {path} ({accept}) was answered {answer.status}: {answer.data[:300]!r}"
            )
        return answer

    def try_forms(self, path: str, forms: dict[str, str]) -> tuple[tuple[str, str], ...]:
        """Ask for each form; return its name with the reason why it is not given, or none."""
        return tuple((name, read_reason(self.ask(path, accept))) for name, accept in forms.items())


def read_reason(answer: urllib3.BaseHTTPResponse) -> str:
    """Return nothing for a good answer, else status and reason without what differs from file to file."""
    if answer.status == 200:
        return "" if answer.data else "an empty answer"
    try:
        text = str(orjson.loads(answer.data)["error"])
    except (orjson.JSONDecodeError, KeyError):
        text = "no reason given"
    return f"{answer.status}: {generalise(text.partition('; offered are')[0])}"


def examine(reader: Reader, file: str, content: bytes) -> Outcome:
    """Store a file, read it in every way, and delete it."""
    reader.requests += 1
    answer = store_instances(reader.server, [content])
    if not answer.stored:
        reason = next(iter((*answer.failed.values(), *answer.others)), answer.error)
        return Outcome(file, "", ((("no", generalise(reason)),), (), (), (), (), ()))
    try:
        header = read_header(content)
    except MissingFileMeta:
        header = read_header(complete_file(content))
    study = f"/studies/{header.study_instance_uid}"
    series = f"{study}/series/{header.series_instance_uid}"
    path = f"{series}/instances/{header.sop_instance_uid}"
    columns = (
        (("yes", ""),),
        tuple(_search(reader, study, series, path)),
        tuple(_read_metadata(reader, path)),
        reader.try_forms(path, INSTANCE_FORMS),
        tuple(_read_frames(reader, path, header.attributes)),
        reader.try_forms(f"{path}/rendered", RENDERED_FORMS),
    )
    reader.ask(study, "*/*", "DELETE")
    return Outcome(file, header.transfer_syntax_uid, columns)


def _search(reader: Reader, study: str, series: str, path: str) -> Iterator[tuple[str, str]]:
    questions = {
        "study": f"/studies?StudyInstanceUID={study.rpartition('/')[2]}",
        "series": f"{study}/series?SeriesInstanceUID={series.rpartition('/')[2]}",
        "instance": f"{series}/instances?SOPInstanceUID={path.rpartition('/')[2]}",
    }
    for name, question in questions.items():
        answer = reader.ask(question, JSON)
        found = len(orjson.loads(answer.data)) if answer.status == 200 else 0
        yield name, "" if found == 1 else read_reason(answer) or f"{found} rows found"


def _read_metadata(reader: Reader, path: str) -> Iterator[tuple[str, str]]:
    answer = reader.ask(f"{path}/metadata", JSON)
    yield "JSON", read_reason(answer)
    yield "XML", read_reason(reader.ask(f"{path}/metadata", XML))
    uris = sorted(find_uris(orjson.loads(answer.data)))
    reasons = {read_reason(reader.ask(uri, "*/*")) for uri in uris} - {"", "an empty answer"}
    if uris:
        yield "bulk", "; ".join(sorted(reasons))


def find_uris(value: Any) -> Iterator[str]:
    """Yield every BulkDataURI below a value of DICOM JSON."""
    if isinstance(value, list):
        for item in value:
            yield from find_uris(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "BulkDataURI":
                yield item
            else:
                yield from find_uris(item)


def _read_frames(reader: Reader, path: str, attributes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    first = reader.try_forms(f"{path}/frames/1", FRAME_FORMS)
    yield from first
    last = str((attributes.get("00280008", {}).get("Value") or [1])[0])
    if last.isdigit() and int(last) > 1 and any(not reason for _, reason in first):
        yield "last", read_reason(reader.ask(f"{path}/frames/{last}", "*/*"))


def examine_all(reader: Reader, data: Path) -> list[Outcome]:
    """Examine every file of the sample data, one after the other."""
    return [
        examine(reader, path.relative_to(data).as_posix(), path.read_bytes()) for path in list_samples(data)
    ]


def build_page(outcomes: Iterable[Outcome], requests: int) -> str:
    """Return the page."""
    outcomes = list(outcomes)
    rows: dict[tuple[str, str, Any], list[str]] = defaultdict(list)
    for outcome in outcomes:
        folder, _, name = outcome.file.rpartition("/")
        rows[folder, outcome.transfer_syntax_uid, outcome.columns].append(name)
    numbers: dict[str, int] = {}
    body = [
        "| files | transfer syntax | stored | found | metadata | instance | frames | rendered |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (folder, syntax, columns), names in rows.items():
        cells = [_name_files(folder, names), syntax, *(_show(column, numbers) for column in columns)]
        body.append("| " + " | ".join(cells) + " |")
    reasons = ["", "## Reasons", "", "| | reason |", "|---:|---|"]
    reasons += [f"| {number} | {escape(reason)} |" for reason, number in numbers.items()]
    stored = sum(outcome.is_stored for outcome in outcomes)
    head = HEAD.format(total=len(outcomes), stored=stored, requests=f"{requests:,}")
    return "\n".join([head, *body, *reasons, ""])


def _name_files(folder: str, names: list[str]) -> str:
    if len(names) <= 3:
        return escape(f"{folder}/{', '.join(names)}")
    return escape(f"{folder}/: {len(names)} files, {names[0]} to {names[-1]}")


def _show(column: tuple[tuple[str, str], ...], numbers: dict[str, int]) -> str:
    """List the forms that are given, then those that are not by reason: `JPEG, PNG; not (4): MP4`."""
    if column and column[0][0] == "no":
        return f"no ({numbers.setdefault(column[0][1], len(numbers) + 1)})"
    given = [name for name, reason in column if not reason]
    missing: dict[int, list[str]] = defaultdict(list)
    for name, reason in column:
        if reason:
            missing[numbers.setdefault(reason, len(numbers) + 1)].append(name)
    texts = [", ".join(given)] if given else []
    texts += [f"not ({number}): {', '.join(names)}" for number, names in sorted(missing.items())]
    return "; ".join(texts)


def run(arguments: list[str]) -> None:
    """Examine, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    options = parser.parse_args(arguments)
    pool = urllib3.PoolManager(maxsize=1, retries=False, timeout=urllib3.Timeout(120))
    reader = Reader(StowServer(options.url.rstrip("/"), options.token, pool))
    outcomes = examine_all(reader, options.data)
    PAGE.write_text(build_page(outcomes, reader.requests), encoding="utf-8")


if __name__ == "__main__":
    run(sys.argv[1:])
