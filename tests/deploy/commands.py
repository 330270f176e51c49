"""Running the commands of this folder's tests on a real server."""

import subprocess
import sys

from deploy.region.facts import RegionSize
from deploy.region.plan import plan_region
from tests.support.samsyn import PROJECT, SamsynServer

CREATE_ORGANISATION = """
from deploy.demo.organisation import create_organisation
from deploy.region.facts import RegionSize
from deploy.region.plan import plan_region
create_organisation(plan_region(RegionSize(patients=1, studies=1)))
"""


def create_organisation(server: SamsynServer) -> str:
    """Create the organisation of the demo without any study, and return the HSA-id of a department."""
    server.run_code(CREATE_ORGANISATION)
    return plan_region(RegionSize(patients=1, studies=1)).hospitals[0].departments[0].hsa_id


def run_import(server: SamsynServer, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run import_dicom in an installation, to its own server, whatever its exit code is."""
    return subprocess.run(
        [sys.executable, "manage.py", "import_dicom", *arguments, "--url", server.dicomweb_url],
        env=server.environment | environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
