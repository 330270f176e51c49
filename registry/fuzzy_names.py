"""Names found without their accents and from the beginning of any component word.

A regular expression over the folded name means the same to Python (SQLite) and to PostgreSQL.

Standard: PS3.4 C.2.2.2.1.1 (fuzzy semantic matching of person names)
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from functools import cache

from registry.names import fold_accents


def fuzzy_pattern(word: str) -> str:
    """Return a regular expression for names with a component word that begins like `word`, accents or not.

    A `*` at the start finds the word further inside too; within it, wildcards mean what they always do.
    """
    anchor = "" if word.startswith("*") else r"(^|[ ^=-])"
    letters = fold_accents(word.strip("*")).replace("ae", "\x00")
    return anchor + "".join(_letter_pattern(letter) for letter in letters)


def _letter_pattern(letter: str) -> str:
    if letter == "\x00":
        return f"(æ|{_letter_pattern('a')}{_letter_pattern('e')})"
    if letter in "*?":
        return {"*": "[^^=]*", "?": "[^^=]"}[letter]
    variants = _variants().get(letter, "")
    return f"[{letter}{variants}]" if variants else re.escape(letter)


@cache
def _variants() -> Mapping[str, str]:
    """Return the folded Latin letters that `fold_accents` makes one plain letter of."""
    found: dict[str, str] = defaultdict(str)
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        char = unicodedata.normalize("NFC", chr(code).casefold())
        plain = fold_accents(char)
        if len(char) == 1 and len(plain) == 1 and char != plain and char not in found[plain]:
            found[plain] += char
    return found
