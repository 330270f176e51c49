"""A private S3 service, SeaweedFS, on free loopback ports."""

import contextlib
import json
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3

from access.address import Address
from repository.objects.bucket import Bucket, open_bucket
from repository.objects.bucket_place import BucketPlace
from tests.support.processes import RunningProcess, find_free_port, kill_group, start_process, wait_until

ACCESS_KEY, SECRET_KEY = "testkey", "test-secret"
READER_KEY, READER_SECRET = "readkey", "read-secret"
PORTS = ("master.port", "volume.port", "filer.port", "s3.port")


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running service; who has `ACCESS_KEY` may do everything, who has `READER_KEY` may read and list."""

    port: int
    process: RunningProcess

    @property
    def url(self) -> str:
        """Endpoint of the service."""
        return f"http://127.0.0.1:{self.port}"

    def open(self, name: str, prefix: str = "") -> Bucket:
        """Return a bucket, which is made where it is not there."""
        address = Address("http", "127.0.0.1", "127.0.0.1", self.port, "")
        bucket = open_bucket(BucketPlace(address, name, prefix), ACCESS_KEY, SECRET_KEY)
        with contextlib.suppress(bucket.client.exceptions.BucketAlreadyOwnedByYou):
            bucket.client.create_bucket(Bucket=name)
        return bucket


def _write_accounts(folder: Path) -> Path:
    accounts = [
        ("all", ACCESS_KEY, SECRET_KEY, ["Admin"]),
        ("reader", READER_KEY, READER_SECRET, ["Read", "List"]),
    ]
    rows = [
        {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
        for name, key, secret, actions in accounts
    ]
    path = folder / "accounts.json"
    path.write_text(json.dumps({"identities": rows}))
    return path


@contextlib.contextmanager
def run_s3(folder: Path) -> Iterator[S3Server]:
    """Run SeaweedFS for the length of the block; it keeps everything in `folder` and tells nobody of its use."""
    data = folder / "seaweedfs"
    data.mkdir(parents=True)
    ports = {name: find_free_port() for name in PORTS}
    ports |= {name.replace("port", "port.grpc"): find_free_port() for name in PORTS}
    command = [
        str(Path(sysconfig.get_path("scripts")) / "weed"),
        "server",
        "-s3",
        "-s3.autoCreateBucket=false",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=50",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-dir={data}",
        f"-s3.config={_write_accounts(folder)}",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    process = start_process(command, folder / "seaweedfs.log", folder=folder)
    server = S3Server(ports["s3.port"], process)
    try:
        wait_until(process, lambda: _is_ready(server), "SeaweedFS")
        yield server
    finally:
        kill_group(process)  # asked to end, it takes its time, and nothing of it is kept


def _is_ready(server: S3Server) -> bool:
    try:
        answer = urllib3.request("GET", f"{server.url}/healthz", timeout=1, retries=False)
    except (urllib3.exceptions.HTTPError, OSError):
        return False
    return answer.status == 200


class _InTrouble(BaseHTTPRequestHandler):
    """Reads every request whole and answers it with what the class says."""

    protocol_version = "HTTP/1.1"
    status = 503
    code = "SlowDown"
    headers_out: dict[str, str] = {}

    def do_PUT(self) -> None:
        """Take an object or a part of one."""
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        code = f"<Error><Code>{self.code}</Code><Message>said so</Message></Error>"
        content = code.encode() if self.code else b""
        if not self.status:
            self.close_connection = True
            return
        self.send_response(self.status)
        for name, value in {"Content-Length": str(len(content)), **self.headers_out}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the name is the base class's)
        """Stay quiet."""


@contextlib.contextmanager
def run_in_trouble(status: int, code: str, **headers: str) -> Iterator[str]:
    """Run a service that answers every upload alike (status 0: not at all), and yield its endpoint."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    handler = type("Bound", (_InTrouble,), {"status": status, "code": code, "headers_out": names})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
