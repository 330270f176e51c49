"""Folded text for search: written by Python, so that both databases compare the same."""

import unicodedata


def fold_text(text: str) -> str:
    """Fold case and spaces, keep accents: `Åkerström ` -> `åkerström`.

    Case-insensitive matching uses this form; `å` and `a` stay different letters.
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def fold_name(name: str) -> str:
    """Fold a person name to what search compares: the alphabetic group, empty components dropped at the end.

    Standard: PS3.5 6.2.1.1
    """
    alphabetic = name.split("=", 1)[0]
    return "^".join(fold_text(part) for part in alphabetic.split("^")).rstrip("^")


def fold_accents(text: str) -> str:
    """Fold further for fuzzy matching: `åkerström` -> `akerstrom`."""
    decomposed = unicodedata.normalize("NFKD", fold_text(text))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).replace("ø", "o").replace("æ", "ae")
