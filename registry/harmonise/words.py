"""Read parts of the body and sides out of what people write."""

import re

from registry.harmonise.vocabulary import BOTH, ENDINGS, LEFT, PART_OF_WORD, PHRASES, RIGHT
from registry.names import fold_accents

MAX_WORD = 400
_WORD = re.compile(r"[^\W_]+")


def fold_word(text: str) -> str:
    """Fold a word or a description for comparing: lower case, without accents, single spaces."""
    return " ".join(fold_accents(text.replace("\x00", "")).lower().split())[:MAX_WORD]


def find_parts(text: str) -> tuple[str, ...]:
    """Return the parts of the body that a text names, in its order, each once."""
    rest = f" {' '.join(_WORD.findall(fold_word(text)))} "
    found: list[str] = []
    for phrase, parts in PHRASES.items():
        if f" {phrase} " in rest:
            found.extend(parts)
            rest = rest.replace(f" {phrase} ", " ")
    found.extend(part for part in map(_part_of, rest.split()) if part)
    return tuple(dict.fromkeys(found))


def find_laterality(text: str) -> str:
    """Return the side that a text names: R, L, B for both, or empty."""
    words = set(_WORD.findall(fold_word(text)))
    is_right, is_left = bool(words & RIGHT), bool(words & LEFT)
    if words & BOTH or (is_right and is_left):
        return "B"
    return "R" if is_right else "L" if is_left else ""


def _part_of(word: str) -> str:
    known = PART_OF_WORD.get(word)
    if known:
        return known
    for ending in ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and stem in PART_OF_WORD:
            return PART_OF_WORD[stem]
    return ""
