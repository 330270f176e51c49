"""The table of the tests leaves no branch of the decision untried."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_branch_of_the_decision_is_tried(tmp_path):
    run = [sys.executable, "-m", "coverage"]
    data = f"--data-file={tmp_path / 'coverage'}"
    only = "--include=access/policy.py"
    suite = ["-m", "pytest", "tests/access/test_policy.py", "-q", "-n0", "-p", "no:cacheprovider"]
    subprocess.run(
        [*run, "run", data, "--branch", only, *suite, "-k", "not every_"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    report = subprocess.run(
        [*run, "report", data, only, "--show-missing", "--fail-under=100"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.returncode == 0, report.stdout
