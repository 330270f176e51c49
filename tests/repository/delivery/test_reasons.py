"""The plain sentence of a delivery."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone, translation

import repository.delivery
from registry.models import Destination
from repository.delivery.decide import CONSENT_MISSING, IN_CONFLICT, NO_BASIS
from repository.delivery.operating.reasons import _SENTENCES, explain
from repository.models import Delivery
from scripts.compile_messages import compile_catalogue, read_catalogue

PACKAGE = Path(repository.delivery.__file__).parent


def make_delivery(code: str, *, state: str = Delivery.READY, wait_s: float = 0, **destination) -> Delivery:
    return Delivery(
        state=state,
        reason_code=code,
        destination=Destination(name="PACS", **destination),
        not_before=timezone.now() + timedelta(seconds=wait_s),
    )


def test_every_code_that_the_package_writes_has_a_sentence():
    text = "".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "reasons.py")
    written = set(re.findall(r'reason_code="([a-z_]+)"|Failure\(\s*"[a-z_]+",\s*"([a-z_]+)"', text))
    codes = {code for pair in written for code in pair if code} | {IN_CONFLICT, NO_BASIS, CONSENT_MISSING}
    assert len(codes) > 12
    assert codes <= _SENTENCES.keys()


@pytest.mark.parametrize("code", _SENTENCES)
def test_every_sentence_is_there_in_swedish(code):
    with translation.override("en"):
        english = explain(make_delivery(code, state=Delivery.DEAD))
    with translation.override("sv"):
        swedish = explain(make_delivery(code, state=Delivery.DEAD))
    assert english == _SENTENCES[code]
    assert swedish != english


def test_says_what_comes_next():
    with translation.override("en"):
        assert explain(make_delivery("queued")) == "Waits for its turn."
        assert "Next attempt at " in explain(make_delivery("receiver_slow", wait_s=60))
        assert "switched off" in explain(make_delivery("queued", active=False))
        assert "at intervals" in explain(make_delivery("no_connection", breaker="open"))
        assert explain(make_delivery("delivered", state=Delivery.DELIVERED, wait_s=60)).endswith("image.")


def test_the_compiled_catalogue_is_up_to_date():
    source = PACKAGE.parent / "locale" / "sv" / "LC_MESSAGES" / "django.po"
    compiled = compile_catalogue(read_catalogue(source))
    assert source.with_suffix(".mo").read_bytes() == compiled, "run: python scripts/compile_messages.py"


def test_an_unknown_code_is_no_error():
    with translation.override("en"):
        assert "unexpected" in explain(make_delivery("from a later version"))
