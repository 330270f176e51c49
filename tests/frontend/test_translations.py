"""Every text of the portal is there in Swedish, and the compiled catalogue is the written one."""

import html
import re

import pytest
from django.test import Client

from scripts.compile_messages import LOCALE, BrokenCatalogue, compile_catalogue, read_catalogue
from tests.frontend.messages import collect_messages

SWEDISH = LOCALE / "sv" / "LC_MESSAGES" / "django.po"
_PLACEHOLDER = re.compile(r"%\(\w+\)s")


def test_every_text_has_a_swedish_translation_and_none_is_left_over():
    translated = set(read_catalogue(SWEDISH)) - {""}
    assert translated == collect_messages()


def test_translations_keep_the_placeholders():
    for key, text in read_catalogue(SWEDISH).items():
        for form in text.split("\0"):
            assert set(_PLACEHOLDER.findall(form)) == set(_PLACEHOLDER.findall(key)), key


def test_compiled_catalogue_is_up_to_date():
    assert SWEDISH.with_suffix(".mo").read_bytes() == compile_catalogue(read_catalogue(SWEDISH)), (
        "run: python scripts.compile_messages.py"
    )


def test_broken_catalogue_names_the_line(tmp_path):
    path = tmp_path / "x.po"
    path.write_text('msgid "a"\nmsgstr b\n')
    with pytest.raises(BrokenCatalogue, match="line 2"):
        read_catalogue(path)


def test_every_page_speaks_the_chosen_language_only(world, portal):
    for language in ("sv", "en"):
        portal.cookies["django_language"] = language
        portal.post("/search/", {"q": "åkesson"})
        for name, address in world.pages.items():
            page = portal.get(address).content.decode()
            assert f'<html lang="{language}"' in page, name
            assert find_foreign_texts(page, language) == [], name


def test_login_page_speaks_both_languages(db):
    for language in ("sv", "en"):
        page = Client(headers={"accept-language": language}).get("/accounts/login/").content.decode()
        assert f'<html lang="{language}"' in page
        assert find_foreign_texts(page, language) == []


def find_foreign_texts(page: str, language: str) -> list[str]:
    """Find texts of the other language, among those long enough to be no accident."""
    found = []
    for key, text in read_catalogue(SWEDISH).items():
        english, swedish = key.split("\4")[-1].split("\0")[0], text.split("\0")[0]
        foreign = english if language == "sv" else swedish
        if english != swedish and len(foreign) > 8 and html.escape(foreign) in page:
            found.append(foreign)
    return found
