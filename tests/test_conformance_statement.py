"""The conformance statements name tests that exist."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
STATEMENTS = sorted((PROJECT / "docs" / "conformance").glob("*.md"))
NAMED = re.compile(r"`(?:tests/)?([\w/]+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.name)
def test_every_test_that_is_named_exists(path):
    missing = [
        f"{file}::{name}"
        for file, name in NAMED.findall(path.read_text(encoding="utf-8"))
        if not exists(file, name)
    ]
    assert missing == []


def exists(file: str, name: str) -> bool:
    """Tell whether a test file is below tests/, and has a function of the name if one is given."""
    path = PROJECT / "tests" / file
    return path.is_file() and (not name or name in list_tests(path))


def list_tests(path: Path) -> set[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize(("name", "least"), [("dicomweb.md", 60), ("fhir.md", 15), ("access.md", 12)])
def test_every_row_of_a_statement_names_a_test(name, least):
    text = (PROJECT / "docs" / "conformance" / name).read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.endswith("| test |")]
    assert len(rows) > least
    assert [row for row in rows if not NAMED.search(row)] == []
