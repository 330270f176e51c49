"""Nothing in the portal needs more than the strict content security policy gives."""

import re
from pathlib import Path

import pytest

FRONTEND = Path(__file__).resolve().parents[2] / "frontend"
TEMPLATES = sorted((FRONTEND / "templates").rglob("*.html"))
SCRIPTS = sorted((FRONTEND / "static" / "samsyn").glob("*.js"))
FORBIDDEN = {
    "inline handler": re.compile(r"\son[a-z]+\s*=", re.IGNORECASE),
    "htmx code": re.compile(r"hx-on|hx-vals\s*=\s*[\"']js:|js:|hx-trigger=\"[^\"]*\["),
    "inline style": re.compile(r"\sstyle\s*=|<style", re.IGNORECASE),
    "inline script": re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE),
    "script address": re.compile(r"javascript:", re.IGNORECASE),
    "other site": re.compile(r"(?:src|href|action)=[\"'](?:https?:)?//", re.IGNORECASE),
    "unescaped value": re.compile(r"\|\s*safe\b|autoescape off"),
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(FRONTEND)))
def test_template_needs_nothing_inline_and_nobody_else(path):
    text = path.read_text(encoding="utf-8")
    assert {name for name, pattern in FORBIDDEN.items() if pattern.search(text)} == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_script_makes_no_code_from_text_and_no_markup(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(
        r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write", text
    )


def test_pages_are_sent_with_the_policy(portal):
    policy = portal.get("/").headers["Content-Security-Policy"]
    assert "script-src 'self' 'wasm-unsafe-eval'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe-inline" not in policy
