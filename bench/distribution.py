"""Measure deliveries to a loopback STOW sink, beside Orthanc's own forwarding of the same studies to the same sink.

    python bench/distribution.py sqlite|postgresql [--studies 100] [--instances 1] [--side 512] [--profile]

Samsyn and Orthanc send in turn, a round each, three rounds. CPU is that of the sender's process and of what it has
started; PostgreSQL's is told beside it. Everything runs on an installation of its own that is thrown away.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.server_cpu import read_cpu_s
from tests.support.orthanc import OrthancServer, run_orthanc
from tests.support.postgres import run_postgres_server

ROUNDS = 3
SENDERS = 2
SEND = """
import cProfile, json, os, sys, threading, time
import django
django.setup()
from django.db import connection
from deploy.duties import packs_source
from repository.delivery.duties import send_ready
def work(number):
    source = packs_source()
    while send_ready(f"bench-{os.getpid()}-{number}", source):
        pass
    connection.close()
threads = [threading.Thread(target=work, args=(n,)) for n in range(int(sys.argv[1]))]
began, cpu = time.perf_counter(), time.process_time()
if len(sys.argv) > 2:
    profile = cProfile.Profile()
    profile.runcall(work, 0)
    profile.dump_stats(sys.argv[2])
else:
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print(json.dumps([time.perf_counter() - began, time.process_time() - cpu]))
"""
PREPARE = """
import json, sys
import django
django.setup()
from access.actor import Actor, Scope
from access.authentication import client_actor
from access.models import ApiClient, CareProvider, CareUnit, Department
from bench.ct import make_series
from registry.models import Destination, Study, Subscription
from repository.store import store
url, studies, instances, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
provider = CareProvider.objects.create(hsa_id="SE1", name="Region")
made = []
for n in (1, 2):
    unit = CareUnit.objects.create(provider=provider, hsa_id=f"SE1-U{n}", name=f"Hospital {n}")
    made.append(Department.objects.create(unit=unit, hsa_id=f"SE1-D{n}", name="Radiology"))
where = Destination.objects.create(department=made[1], name="sink", url=url, max_parallel=8)
Subscription.objects.create(department=made[1], destination=where)
client = ApiClient.objects.create(name="bench", department=made[0])
actor = client_actor(client, frozenset({"store"}))
class Part:
    def __init__(self, data): self.data = data
    def chunks(self): yield self.data
for number in range(studies):
    files = make_series(instances, number)
    store([Part(file) for file in files], actor, door="bench")
    for n, file in enumerate(files):
        open(f"{folder}/{number}-{n}.dcm", "wb").write(file)
"""
PLAN = """
import json, time
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from registry.models import Study
from repository.models import Attempt, Delivery
from repository.delivery.duties import note_quiet_studies, plan_deliveries
Attempt.objects.all().delete()
Delivery.objects.all().delete()
Study.objects.update(quiet_due_at=timezone.now() - timedelta(seconds=1))
while note_quiet_studies():
    pass
began, cpu = time.perf_counter(), time.process_time()
plan_deliveries()
took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
print(json.dumps([took_s, cpu_s, Delivery.objects.filter(state="ready").count()]))
"""


@dataclass(frozen=True, slots=True)
class Sink:
    """The running sink."""

    port: int
    process: "subprocess.Popen[str]"

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str) -> dict[str, int]:
        """Read its figures."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)


@contextlib.contextmanager
def run_sink() -> Iterator[Sink]:
    """Run the sink as a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("stow_sink.py"))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield Sink(int(process.stdout.readline()), process)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def environment_of(kind: str, folder: Path) -> Iterator[tuple[dict[str, str], set[int]]]:
    """Yield the environment of an empty installation, and the process ids of its database server."""
    common = {
        name: value for name, value in os.environ.items() if not name.startswith(("SAMSYN_", "DJANGO_"))
    }
    common |= {
        "SAMSYN_HOME": str(folder),
        "SAMSYN_QUIET_S": "3600",
        "SAMSYN_ALLOW_PRIVATE_DESTINATIONS": "on",
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    }
    if kind == "sqlite":
        yield common | {"DJANGO_SETTINGS_MODULE": "deploy.settings.embedded"}, set()
        return
    with run_postgres_server() as server:
        server.cluster.create_database("bench")
        production = {
            "DJANGO_SETTINGS_MODULE": "deploy.settings.production",
            "SAMSYN_SECRET_KEY": "bench",
            "SAMSYN_DATABASE_URL": server.cluster.url_of("bench"),
            "SAMSYN_REDIS_URL": "redis://127.0.0.1:1/0",
        }
        yield common | production, {server.process.pid}


def run(environment: dict[str, str], code: str, *arguments: str) -> str:
    """Run code inside the installation; returns the last line that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return (done.stdout.strip().splitlines() or [""])[-1]


def tell(label: str, took_s: float, cpu_s: float, figures: dict[str, int], beside: str = "") -> None:
    """Print a row of the table."""
    count = max(1, figures["instances"])
    print(
        f"| {label} | {figures['requests'] / took_s:.1f} | {figures['bytes'] / took_s / 1e6:.1f} |"
        f" {cpu_s * 1e3 / count:.2f} | {cpu_s * 1e3 / max(1, figures['requests']):.1f} | {beside} |",
        flush=True,
    )


def measure_samsyn(environment: dict[str, str], sink: Sink, database: set[int], senders: int) -> None:
    """Plan everything anew and send it."""
    took_s, cpu_s, planned = json.loads(run(environment, PLAN))
    sink.ask("/reset")
    before_s = read_cpu_s(database) if database else 0.0
    sent_s, sending_cpu_s = json.loads(run(environment, SEND, str(senders)))
    database_s = read_cpu_s(database) - before_s if database else 0.0
    figures = sink.ask("/figures")
    beside = f"planned {planned} in {took_s:.1f} s ({cpu_s * 1e3 / planned:.1f} ms CPU each)"
    if database:
        beside += f"; PostgreSQL {database_s * 1e3 / figures['requests']:.1f} ms a delivery"
    tell(f"Samsyn, {senders} at once", sent_s, sending_cpu_s, figures, beside)


def measure_orthanc(orthanc: OrthancServer, sink: Sink) -> None:
    """Let Orthanc's DICOMweb client send every study, two at once, a job each."""
    sink.ask("/reset")
    studies = orthanc.fetch_json("/studies")
    roots = {orthanc.process.pid}
    cpu_s, began = read_cpu_s(roots), time.perf_counter()
    jobs = [
        _post(orthanc, "/dicom-web/servers/sink/stow", {"Resources": [s], "Synchronous": False})
        for s in studies
    ]
    waiting = {job["ID"] for job in jobs}
    while waiting:
        time.sleep(0.05)
        states = {job["ID"]: job["State"] for job in orthanc.fetch_json("/jobs?expand")}
        failed = [pk for pk in waiting if states.get(pk) == "Failure"]
        if failed:
            sys.exit(f"Orthanc failed: {failed[:3]}")
        waiting = {pk for pk in waiting if states.get(pk, "Success") != "Success"}
    took_s = time.perf_counter() - began
    tell("Orthanc, DICOMweb client", took_s, read_cpu_s(roots) - cpu_s, sink.ask("/figures"))


def _post(orthanc: OrthancServer, path: str, body: object) -> dict[str, str]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(orthanc.url + path, data=data, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("database", choices=("sqlite", "postgresql"))
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--instances", type=int, default=1)
    parser.add_argument("--profile", help="write a profile of one sender to this file and end")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "files").mkdir()
        (folder / "orthanc").mkdir()
        sink = stack.enter_context(run_sink())
        environment, database = stack.enter_context(environment_of(arguments.database, folder / "home"))
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"], env=environment, check=True
        )
        url = f"{sink.url}/studies"
        run(
            environment, PREPARE, url, str(arguments.studies), str(arguments.instances), str(folder / "files")
        )
        if arguments.profile:
            run(environment, PLAN)
            run(environment, SEND, "1", arguments.profile)
            return
        settings = {
            "ConcurrentJobs": SENDERS,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Servers": {"sink": [sink.url + "/"]}},
        }
        settings["JobsHistorySize"] = arguments.studies * 2
        orthanc = stack.enter_context(run_orthanc(folder / "orthanc", settings=settings))
        for path in sorted((folder / "files").iterdir()):
            _post(orthanc, "/instances", path.read_bytes())
        print(
            "| sender | deliveries/s | MB/s | CPU ms an instance | CPU ms a delivery | |\n|---|---|---|---|---|---|"
        )
        for _ in range(ROUNDS):
            measure_samsyn(environment, sink, database, 1)
            measure_samsyn(environment, sink, database, SENDERS)
            measure_orthanc(orthanc, sink)


if __name__ == "__main__":
    main()
