"""What was written down of a failed request, in the language of who reads it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

import access
import repository
from repository.delivery.operating.said import _SENTENCES, is_from_receiver, translate_error
from repository.delivery.receivers import s3_answer, store_answer, stow_rs
from repository.models import Delivery
from scripts.compile_messages import read_catalogue

REPOSITORY, ACCESS = Path(repository.__file__).parent, Path(access.__file__).parent
CATALOGUE = REPOSITORY / "locale" / "sv" / "LC_MESSAGES" / "django.po"
SOURCES = (
    *sorted((REPOSITORY / "delivery").rglob("*.py")),
    ACCESS / "address.py",
    ACCESS / "secrets.py",
    REPOSITORY / "objects" / "bucket_address.py",
    REPOSITORY / "document_store.py",
)
TEXT_AT = {
    "Failure": 2,
    "ForbiddenAddress": 0,
    "OversizedReport": 0,
    "UnknownContent": 0,
    "UnknownHost": 0,
    "UnreadableAnswer": 0,
    "UnreadableSecret": 0,
    "_unreadable": 0,
}
"""Calls that make a text which is written down, and which argument it is."""
AT_ENTRY = "kinds.py"
"""What is wrong with an address that is being entered: it is said at the form and never written down."""
FOREIGN = {
    "404 404: 404",  # status line and body of an answer, as they came
    "404 404",
    "404: 404",  # an operating system's word for a fault, or the name of a host and why it was not found
    "404 (404)",  # `stow_rs._FAULTS`, asked for below
}
"""What is made of somebody else's words alone, every particular being 404."""


def read_texts(path: Path) -> Iterator[str]:
    """Yield the texts that a module makes, every particular being 404."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        for call in ast.walk(function):
            if not isinstance(call, ast.Call):
                continue
            at = TEXT_AT.get(call.func.id if isinstance(call.func, ast.Name) else "")
            if at is not None and len(call.args) > at:
                yield from fill(call.args[at], function)


def fill(node: ast.expr, function: ast.FunctionDef) -> Iterator[str]:
    """Yield what an expression may be; nothing for one that is not written out here."""
    match node:
        case ast.Constant(str(text)):
            yield text
        case ast.JoinedStr(parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "404" for part in parts)
        case ast.IfExp():
            yield from fill(node.body, function)
            yield from fill(node.orelse, function)
        case ast.Name(name):
            for found in ast.walk(function):
                if isinstance(found, ast.Assign) and name in map(ast.unparse, found.targets):
                    yield from fill(found.value, function)
        case ast.Call(ast.Attribute(ast.Name("said" | "_FAULTS"), "get"), [_, default]):
            yield from fill(default, function)


def find_written() -> set[str]:
    texts = {text for path in SOURCES if path.name != AT_ENTRY for text in read_texts(path)}
    return texts - FOREIGN


def is_known(text: str) -> bool:
    with translation.override("sv"):
        return translate_error(text) != text


def test_every_text_that_is_written_down_is_known():
    written = find_written()
    assert len(written) > 50
    assert {text for text in written if not is_known(text)} == set()


@pytest.mark.parametrize(
    "texts", [stow_rs._FAULTS, s3_answer._FAULTS, store_answer._MEANINGS], ids=["http", "s3", "reasons"]
)
def test_every_text_of_the_tables_is_known(texts):
    assert [text for text in texts.values() if not (is_known(text) and is_known(f"{text} (404)"))] == []


@pytest.mark.parametrize("code", [0x0110, 0x0112, 0x0122, 0xC122, 0xC000])
def test_why_an_image_was_refused_is_known(code):
    stored = f"1.2.3: {store_answer.describe_reason(code)}"
    assert is_known(stored)
    with translation.override("sv"):
        assert translate_error(stored).startswith("1.2.3: ")
        assert translate_error(stored).endswith(f" ({code:04X})")
    assert is_known("has 9000 bytes; the receiver takes 4000")


def test_every_sentence_is_there_in_swedish_with_its_particulars():
    swedish = read_catalogue(CATALOGUE)
    for sentence in _SENTENCES:
        assert swedish[sentence] != sentence
        assert set(re.findall(r"%\(\w+\)s", swedish[sentence])) == set(re.findall(r"%\(\w+\)s", sentence))


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize(
    "words",
    [
        "",
        "503 Service Unavailable: no connection to the receiver",
        "AE: 207; no room",
        "Access Denied (403 AccessDenied)",
        "100 % full (507 QuotaExceeded)",
        "500 Error: our.proxy.example: Name or service not known",
    ],
)
def test_what_a_receiver_says_itself_stays_as_it_is(language, words):
    with translation.override(language):
        assert translate_error(words) == words


@pytest.mark.parametrize("text", sorted(find_written()))
def test_in_english_it_is_said_as_it_was_written(text):
    with translation.override("en"):
        assert translate_error(text) == text


def test_the_receivers_own_words_within_a_sentence_are_kept():
    with translation.override("sv"):
        said = translate_error("the connection broke: ('Connection aborted.', 104) at 100 %")
        assert said == "förbindelsen bröts: ('Connection aborted.', 104) at 100 %"
        assert translate_error("answered 200, but the answer is empty") == "svarade 200, men svaret är tomt"


@pytest.mark.parametrize(
    ("code", "stored", "is_theirs"),
    [
        ("no_connection", "no connection to the receiver", False),
        ("receiver_busy", "503 Slow down", True),
        ("instances_refused", "1.2.3: refused (C000)", False),
        ("operator_held", "Byte av skiva", False),
        ("unexpected", "KeyError: 'x'", False),
        ("queued", "", False),
    ],
)
def test_whose_words_they_are_is_known(code, stored, is_theirs):
    assert is_from_receiver(Delivery(reason_code=code, reason=stored)) is is_theirs


@pytest.mark.parametrize("said", ["1: " * 5000 + "x", "answered 500, but " * 5000 + "x", "x" + " (1)" * 5000])
def test_a_receiver_that_imitates_our_sentences_without_end_breaks_no_page(said):
    with translation.override("sv"):
        assert translate_error(said).endswith(said[-4000:])
