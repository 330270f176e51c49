"""Debian's Orthanc with its DICOMweb plugin: a receiver and a client of DICOMweb that somebody else wrote."""

import contextlib
import json
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import (
    RunningProcess,
    find_free_port,
    is_listening,
    kill_group,
    start_process,
    wait_until,
)

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass(frozen=True, slots=True)
class OrthancServer:
    """A running Orthanc without authentication, on loopback only."""

    http_port: int
    dicom_port: int
    process: RunningProcess

    @property
    def url(self) -> str:
        """Root of its own REST interface."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def dicomweb_url(self) -> str:
        """Its DICOMweb base, without a slash at the end."""
        return f"{self.url}/dicom-web"

    def fetch_json(self, path: str) -> Any:
        """Return what its REST interface answers at `path`, decoded."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def list_instances(self) -> tuple[str, ...]:
        """Return the SOP Instance UIDs it holds, sorted."""
        found = self.fetch_json("/instances?expand")
        return tuple(sorted(instance["MainDicomTags"]["SOPInstanceUID"] for instance in found))


@contextlib.contextmanager
def run_orthanc(folder: Path, *, settings: dict[str, Any] | None = None) -> Iterator[OrthancServer]:
    """Run an Orthanc with its own empty storage for the length of the block.

    Parameters
    ----------
    folder
        Where its configuration, storage and log go.
    settings
        Merged over the configuration, for example to switch its authentication on.
    """
    program = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
    http_port, dicom_port = find_free_port(), find_free_port()
    configuration = {
        "Name": "SAMSYN-TEST",
        "DicomAet": "ORTHANC",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": http_port,
        "DicomPort": dicom_port,
        "DicomServerEnabled": True,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "SslEnabled": False,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(configuration | (settings or {}), indent=1))
    process = start_process([program, str(path)], folder / "orthanc.log", folder=folder)
    try:
        wait_until(process, lambda: is_listening(http_port), "Orthanc")
        yield OrthancServer(http_port, dicom_port, process)
    finally:
        kill_group(process)  # its own shutdown takes seconds, and its storage is thrown away
