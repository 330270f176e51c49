"""Measure a running Samsyn: server CPU and time for each kind of request.

    SAMSYN_TOKEN=... python bench/measure.py http://127.0.0.1:8000 [--repeat 50]

The token needs the scopes store and read; give it to a client of a department, so that the access filter is on.
CPU is that of the server's processes, all included; times move with whatever else the machine does.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.ct import make_series
from bench.server_cpu import find_listeners, read_cpu_s

BOUNDARY = "bench-boundary"
MULTIPART = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
FILES = 'multipart/related; type="application/dicom"; transfer-syntax=*'
FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
JSON = "application/dicom+json"


@dataclass(frozen=True, slots=True)
class Server:
    """One connection to the server under measurement, and its processes."""

    connection: http.client.HTTPConnection
    token: str
    processes: set[int]

    def send(self, method: str, path: str, accept: str, body: bytes = b"", encoding: str = "") -> bytes:
        """Send one request and return the body of the answer; anything but success ends the measuring."""
        headers = {"Authorization": f"Bearer {self.token}", "Accept": accept}
        if body:
            headers["Content-Type"] = MULTIPART
        if encoding:
            headers["Accept-Encoding"] = encoding
        self.connection.request(method, f"/dicom-web{path}", body or None, headers)
        response = self.connection.getresponse()
        answer = response.read()
        if response.status != 200:
            sys.exit(f"{method} {path}: status {response.status}, {answer[:200]!r}")
        return answer


def frame_body(files: list[bytes]) -> bytes:
    """Make the body of a store."""
    parts = [f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode() + file for file in files]
    return b"".join(parts) + f"\r\n--{BOUNDARY}--\r\n".encode()


def measure(server: Server, label: str, requests: list[Callable[[], object]], units: int = 1) -> None:
    """Run the requests and print CPU per unit, the median and the shortest time of a request."""
    times, cpu_s = [], read_cpu_s(server.processes)
    for request in requests:
        start = time.perf_counter()
        request()
        times.append(time.perf_counter() - start)
    cpu_ms = (read_cpu_s(server.processes) - cpu_s) * 1e3 / len(requests) / units
    median_ms, shortest_ms = statistics.median(times) * 1e3, min(times) * 1e3
    print(f"| {label} | {len(requests)} | {cpu_ms:.2f} | {median_ms:.1f} | {shortest_ms:.1f} |", flush=True)


def store_bodies(count: int, files: int, first: int) -> list[bytes]:
    """Make requests of new studies before the clock starts."""
    return [frame_body(make_series(files, first + n)) for n in range(count)]


def measure_stores(server: Server, repeat: int) -> str:
    """Measure stores; returns the path of the series that the reads use."""
    first = int(time.time()) % 10_000_000
    for label, count, files in (
        ("store, 100 instances a request", max(3, repeat // 10), 100),
        ("store, 1 instance a request", repeat, 1),
    ):
        bodies = store_bodies(count + 1, files, first)
        server.send("POST", "/studies", JSON, bodies.pop())
        measure(
            server, label, [lambda b=body: server.send("POST", "/studies", JSON, b) for body in bodies], files
        )
        first += 1000
    answer = json.loads(server.send("POST", "/studies", JSON, store_bodies(1, 500, first)[0]))
    return str(answer["00081199"]["Value"][0]["00081190"]["Value"][0]).partition("/dicom-web")[2]


def measure_reads(server: Server, instance: str, repeat: int) -> None:
    """Measure reads of a series of 500 instances, one of which is given, and of search."""
    series = instance.partition("/instances/")[0]
    reads: list[tuple[str, int, int, tuple[str, ...]]] = [
        ("series of 500, for each instance", 5, 500, (series, FILES)),
        ("metadata of 500", repeat, 1, (f"{series}/metadata", JSON)),
        ("frame of 512 KB", repeat * 4, 1, (f"{instance}/frames/1", FRAME)),
        ("rendered as JPEG", repeat, 1, (f"{instance}/rendered", "image/jpeg")),
        ("search, 50 studies", repeat, 1, ("/studies?limit=50", JSON)),
        (
            "search, CT since 2025, 50 studies",
            repeat,
            1,
            ("/studies?StudyDate=20250101-&ModalitiesInStudy=CT&limit=50", JSON),
        ),
        ("search by patient", repeat, 1, ("/studies?PatientID=B0000001", JSON)),
    ]
    for label, count, units, arguments in reads:
        server.send("GET", *arguments)
        measure(server, label, [lambda a=arguments: server.send("GET", *a)] * count, units)
    zstd = [lambda: server.send("GET", f"{series}/metadata", JSON, encoding="zstd")] * repeat
    measure(server, "metadata of 500, as it is stored (zstd)", zstd)


def measure_transcoding(server: Server, instance: str, repeat: int) -> None:
    """Measure frames compressed on the way out: every one of an instance of its own, so that none was kept."""
    series = instance.partition("/instances/")[0]
    uids = [
        row["00080018"]["Value"][0] for row in json.loads(server.send("GET", f"{series}/instances", JSON))
    ]
    kinds = ("image/jphc", "image/jls", "image/dicom-rle", "image/jpeg", "image/jp2")
    for media_type in kinds:
        count = min(repeat, len(uids) // len(kinds))
        paths = [f"{series}/instances/{uids.pop()}/frames/1" for _ in range(count)]
        server.send("GET", paths[0], media_type)
        get = [lambda p=path, m=media_type: server.send("GET", p, m) for path in paths[1:]]
        measure(server, f"frame of 512 KB as {media_type}", get)
        measure(server, f"frame of 512 KB as {media_type}, once more", get)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--repeat", type=int, default=50)
    arguments = parser.parse_args()
    address = urlsplit(arguments.url)
    port = address.port or 80
    processes = find_listeners(port)
    if not processes:
        sys.exit(f"nothing listens on port {port} of this machine")
    connection = http.client.HTTPConnection(str(address.hostname), port, timeout=300)
    server = Server(connection, os.environ["SAMSYN_TOKEN"], processes)
    print("| work | requests | server CPU ms each | median ms | shortest ms |\n|---|---|---|---|---|")
    instance = measure_stores(server, arguments.repeat)
    measure_reads(server, instance, arguments.repeat)
    measure_transcoding(server, instance, arguments.repeat)


if __name__ == "__main__":
    main()
