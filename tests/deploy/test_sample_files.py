"""A thousand files of other people's systems: each is stored and comes back byte for byte, or is refused with its fault.

The sample data beside the checkout is used where it is; else the files that pydicom brings along.
"""

import re
from collections import Counter
from pathlib import Path

import pydicom.data
import pytest

from deploy.importing.outcomes import FileOutcome, Outcome, read_outcomes
from repository.header.errors import MissingFileMeta
from repository.part10 import complete_file, read_header
from tests.deploy.commands import create_organisation, run_import
from tests.support.samsyn import PROJECT, SamsynServer

pytestmark = pytest.mark.server

SAMPLES = PROJECT.parent / "shared" / "data" / "files"
FALLBACK = Path(pydicom.data.__file__).parent / "test_files"
FOLDER = SAMPLES if SAMPLES.is_dir() else FALLBACK
TABLE = PROJECT / "docs" / "importing.md"
PREAMBLE_BYTES = 128


@pytest.fixture(scope="module")
def imported(samsyn_server: SamsynServer, tmp_path_factory) -> dict[Path, FileOutcome]:
    """What became of every file."""
    outcome = tmp_path_factory.mktemp("import") / "outcome.csv"
    department = create_organisation(samsyn_server)
    result = run_import(samsyn_server, str(FOLDER), "--department", department, "--outcome", str(outcome))
    assert result.returncode == 1, result.stderr
    entries = read_outcomes(outcome)
    found = {Path(entry.path): entry for entry in entries}
    assert len(found) == len(entries)
    return found


def test_every_file_has_an_outcome_and_what_did_not_go_in_a_reason(imported):
    files = {path for path in FOLDER.rglob("*") if path.is_file()}
    assert {Path(str(path).split("!")[0]) for path in imported} == files
    for entry in imported.values():
        assert entry.outcome in (Outcome.STORED, Outcome.DUPLICATE) or len(entry.reason) > 10, entry
        assert "server answered" not in entry.reason, entry
    assert sum(entry.outcome is Outcome.STORED for entry in imported.values()) > 60


def test_every_stored_file_comes_back_byte_for_byte(imported, samsyn_server, tmp_path):
    studies = samsyn_server.run_code(
        "from registry.models import Study\nfor row in Study.objects.all(): print(row.study_instance_uid)"
    ).split()
    samsyn_server.run_command("export_dicom", "--study", *studies, "--out", str(tmp_path))
    exported = {path.stem: path for path in tmp_path.rglob("*.dcm")}
    stored = {read_uid(path): path for path, entry in imported.items() if entry.outcome is Outcome.STORED}
    assert exported.keys() == stored.keys()
    for uid, path in stored.items():
        assert exported[uid].read_bytes()[PREAMBLE_BYTES:] == complete(path)[PREAMBLE_BYTES:], path


def test_the_table_of_refusals_says_what_is_refused(imported):
    if FOLDER is FALLBACK:
        assert "| reason | files | why |" in TABLE.read_text(encoding="utf-8")
        return
    refused = Counter(
        generalise(entry.reason)
        for entry in imported.values()
        if entry.outcome in (Outcome.REFUSED, Outcome.SKIPPED)
    )
    rows = re.findall(r"^\| `([^`]+)` \| (\d+) \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {reason: int(count) for reason, count in rows} == dict(refused)


def generalise(reason: str) -> str:
    """Replace what is different in every file."""
    reason = re.sub(r"^\([0-9A-F]{4},[0-9A-F]{4}\)", "(gggg,eeee)", reason)
    return re.sub(r"(?<=announces )\d+|\d+(?= are left)|(?<=the end at byte )\d+", "N", reason)


def complete(path: Path) -> bytes:
    """Return the file, with preamble and file meta where it has none."""
    content = path.read_bytes()
    try:
        read_header(content)
    except MissingFileMeta:
        return complete_file(content)
    return content


def read_uid(path: Path) -> str:
    return read_header(complete(path)).sop_instance_uid
