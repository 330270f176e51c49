"""Secrets in rows."""

import pytest

from access.secrets import UnreadableSecret, seal, unseal


def test_opens_what_it_sealed():
    sealed = seal("hemlig-åäö")
    assert "hemlig" not in sealed
    assert seal("hemlig-åäö") != sealed
    assert unseal(sealed) == "hemlig-åäö"


def test_no_secret_stays_no_secret():
    assert seal("") == ""
    assert unseal("") == ""


def test_another_key_or_a_changed_text_does_not_open(settings):
    sealed = seal("hemlig")
    with pytest.raises(UnreadableSecret, match="another key"):
        unseal(sealed[:-4] + "AAA=")
    settings.SECRET_KEY = "another"
    with pytest.raises(UnreadableSecret, match="another key"):
        unseal(sealed)


def test_an_older_key_still_opens(settings):
    sealed = seal("hemlig")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "newer"
    assert unseal(sealed) == "hemlig"
