"""Folded text for search: written by Python, so that both databases compare the same."""

import unicodedata


def fold_text(text: str) -> str:
    """Fold case and spaces, keep accents: `Åkerström ` -> `åkerström`.

    Case-insensitive matching uses this form; `å` and `a` stay different letters.
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def fold_name(name: str) -> str:
    """Fold a person name to what search compares: `Yamada^Tarou^=山田^太郎` -> `yamada^tarou=山田^太郎`.

    Components and groups that are empty at the end are dropped.

    Standard: PS3.5 6.2.1.1
    """
    groups = ["^".join(fold_text(part) for part in group.split("^")).rstrip("^") for group in name.split("=")]
    return "=".join(groups).rstrip("=")


def fold_accents(text: str) -> str:
    """Fold further for fuzzy matching: `åkerström` -> `akerstrom`."""
    decomposed = unicodedata.normalize("NFKD", fold_text(text))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).replace("ø", "o").replace("æ", "ae")
