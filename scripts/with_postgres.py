"""Run a command beside a private PostgreSQL cluster whose address it finds in SAMSYN_TEST_POSTGRES.

usage: python scripts/with_postgres.py -- COMMAND [ARGUMENT ...]
"""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.postgres import run_postgres


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    if arguments[:1] == ["--"]:
        arguments = arguments[1:]
    if not arguments:
        sys.exit(__doc__)
    with run_postgres() as cluster:
        environment = os.environ | {"SAMSYN_TEST_POSTGRES": cluster.url}
        return subprocess.run(arguments, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
