"""Every word that the code writes into the log has a meaning for the repository, and for the patient."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from access.audit_export.kinds import KINDS
from access.audit_export.words import ACTIONS

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("access", "registry", "repository", "frontend", "deploy")
ABOUT_NO_PATIENT = {
    "application_start",
    "application_stop",
    "assignment_end",
    "assignment_give",
    "audit_erase",
    "delivery_retry",
    "destination_add",
    "destination_change",
    "destination_hold",
    "destination_maintain",
    "destination_release",
    "destination_test",
    "login",
    "login_failed",
    "logout",
    "map_code",
    "organisation_import",
    "rebuild_index",
    "role_change",
    "subscribe",
    "subscription_add",
    "subscription_change",
    "subscription_end",
    "subscription_replay",
    "unmap_code",
}


def list_words() -> Iterator[tuple[str, str]]:
    """Yield the words that are written as they stand, and where."""
    for path in (path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and len(node.args) > 1 and is_record(node.func):
                word = node.args[1]
                if isinstance(word, ast.Constant) and isinstance(word.value, str):
                    yield word.value, str(path.relative_to(PROJECT))


def is_record(function: ast.expr) -> bool:
    """Tell `audit.record(...)` and the `note(...)` of registry from other calls."""
    if isinstance(function, ast.Attribute):
        return function.attr == "record" and ast.unparse(function.value) == "audit"
    return isinstance(function, ast.Name) and function.id == "note"


WORDS = sorted(set(list_words()))


@pytest.mark.parametrize(("word", "path"), WORDS, ids=[f"{path}-{word}" for word, path in WORDS])
def test_a_word_of_the_log_is_in_the_table(word, path):
    assert word in KINDS, f"{path}: add {word!r} to access/audit_export/kinds.py"
    assert word in ACTIONS or word in ABOUT_NO_PATIENT, f"add {word!r} to access/audit_export/words.py"


def test_the_two_tables_know_the_same_words():
    assert KINDS.keys() >= ABOUT_NO_PATIENT
    assert KINDS.keys() - ABOUT_NO_PATIENT == ACTIONS.keys()


def test_there_are_words():
    assert len(WORDS) > 15
