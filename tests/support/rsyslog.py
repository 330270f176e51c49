"""A real rsyslog that takes syslog over TLS from those whose certificate it knows, started and stopped at will."""

import contextlib
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.certificates import Certificates, make_certificates
from tests.support.processes import (
    RunningProcess,
    find_free_port,
    is_listening,
    start_process,
    stop_process,
    wait_until,
)

CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
       defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="{ca}"
       defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="whole" type="string" string="%rawmsg%\\n")
action(type="omfile" file="{received}" template="whole")
"""
SYSLOG = re.compile(
    r"<(?P<priority>\d+)>1 (?P<time>\S+) (?P<host>\S+) (?P<application>\S+) (?P<process>\S+) (?P<id>\S+)"
    r' \[meta sequenceId="(?P<sequence>\d+)"\] (?P<bom>\ufeff?)(?P<text>.*)'
)


@dataclass(slots=True)
class RsyslogServer:
    """An rsyslog on a loopback port, and what it has received."""

    folder: Path
    certificates: Certificates
    port: int = field(default_factory=find_free_port)
    process: RunningProcess | None = None

    @property
    def received_path(self) -> Path:
        """Where it writes each message as it came, one a line."""
        return self.folder / "received.log"

    def start(self) -> None:
        """Start it and return when it listens."""
        program = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin")
        if program is None:
            raise FileNotFoundError("rsyslog is not installed: run scripts/install_system_packages.sh")
        configuration = self.folder / "rsyslog.conf"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self.folder,
                ca=self.certificates.ca,
                certificate=self.certificates.certificate,
                key=self.certificates.key,
                port=self.port,
                received=self.received_path,
            )
        )
        command = [program, "-n", "-f", str(configuration), "-i", str(self.folder / "rsyslog.pid")]
        self.process = start_process(command, self.folder / "rsyslog.out", folder=self.folder)
        wait_until(self.process, lambda: is_listening(self.port), "rsyslog")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        process, self.process = self.process, None
        if process is not None:
            stop_process(process, first_signal=how)

    def read(self) -> list[dict[str, str]]:
        """Return the messages that it has written, taken apart."""
        if not self.received_path.exists():
            return []
        lines = self.received_path.read_text(encoding="utf-8").splitlines()
        found = [SYSLOG.fullmatch(line) for line in lines]
        assert all(found), lines
        return [match.groupdict() for match in found if match]


@contextlib.contextmanager
def run_rsyslog(folder: Path) -> Iterator[RsyslogServer]:
    """Run an rsyslog for the length of the block."""
    server = RsyslogServer(folder, make_certificates(folder))
    server.start()
    try:
        yield server
    finally:
        server.stop()
