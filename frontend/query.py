"""What was typed into the search field, and how it was understood."""

import re
from dataclasses import dataclass
from typing import Literal

from registry.identity import normalise_national
from registry.names import fold_text

MIN_LETTERS = 3
_NUMBER_LIKE = re.compile(r"[\d\s]{6,}[-+]?\s?\d{4}")
_YEAR = re.compile(r"(18|19|20)\d\d")

Reading = Literal["empty", "short", "national", "bad_national", "name", "code"]


@dataclass(frozen=True, slots=True)
class Query:
    """A typed text as it was read.

    Parameters
    ----------
    reading : Reading
        `national` a valid personal number (`number` holds 12 digits), `bad_national` looks like one but is
        none, `name` words with perhaps a `birth_year`, `code` an accession number or a hospital's own number.
    """

    text: str
    reading: Reading
    number: str = ""
    words: tuple[str, ...] = ()
    birth_year: str = ""


def read_query(text: str) -> Query:
    """Read what was typed."""
    text = " ".join(text.replace("\0", "").split())[:200]
    if not text:
        return Query(text, "empty")
    national = normalise_national(text)
    if national is not None:
        return Query(text, "national", number=national.value)
    if any(character.isdigit() for character in text):
        return _read_with_digits(text)
    if len(text) < MIN_LETTERS:
        return Query(text, "short")
    return Query(text, "name", words=_fold_words(text))


def _read_with_digits(text: str) -> Query:
    words = text.split()
    years = [word for word in words if _YEAR.fullmatch(word)]
    names = [word for word in words if not any(character.isdigit() for character in word)]
    if len(years) == 1 and names and len(years) + len(names) == len(words):
        if len("".join(names)) < MIN_LETTERS:
            return Query(text, "short")
        return Query(text, "name", words=_fold_words(" ".join(names)), birth_year=years[0])
    if _NUMBER_LIKE.fullmatch(text) and len(re.sub(r"\D", "", text)) in (10, 12):
        return Query(text, "bad_national")
    return Query(text, "code")


def _fold_words(text: str) -> tuple[str, ...]:
    return tuple(fold_text(text).replace(",", " ").replace("^", " ").split())
