"""A real nginx in front of a server, with the configuration that is shipped."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import Certificates
from tests.support.processes import find_free_port, is_listening, start_process, stop_process, wait_until

TEMPLATE = Path(__file__).resolve().parents[2] / "deploy" / "nginx" / "samsyn.conf.template"
MAIN = """
user root;
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log info;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/samsyn.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx."""

    port: int

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://localhost:{self.port}"


@contextlib.contextmanager
def run_nginx(folder: Path, upstream_port: int, certificates: Certificates, secret: str) -> Iterator[Nginx]:
    """Run nginx before a server on this machine for the length of the block."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        raise FileNotFoundError("nginx is not installed: run scripts/install_system_packages.sh")
    port = find_free_port()
    values = {
        "SERVER_NAME": "localhost",
        "LISTEN": f"127.0.0.1:{port}",
        "UPSTREAM": f"127.0.0.1:{upstream_port}",
        "TLS_CERTIFICATE": certificates.certificate,
        "TLS_KEY": certificates.key,
        "CLIENT_CA": certificates.ca,
        "PROXY_SECRET": secret,
    }
    text = TEMPLATE.read_text()
    for name, value in values.items():
        text = text.replace(f"${{SAMSYN_{name}}}", str(value))
    (folder / "samsyn.conf").write_text(text)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    command = [program, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "nginx.log")]
    process = start_process(command, folder / "nginx.out", folder=folder)
    try:
        wait_until(process, lambda: is_listening(port), "nginx")
        yield Nginx(port)
    finally:
        stop_process(process)
