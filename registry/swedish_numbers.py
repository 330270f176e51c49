"""Swedish numbers of people who have no personnummer: how reserve numbers are written, and what is wrong with one.

A number that fails is kept as it came: somebody wrote it on a referral, and it may be on images. It is labelled, so
that whoever reads it knows, and never changed into one that would pass.

Standard: Inera, Nationellt reservidformat 1.0; Inera, Lokala reservidn 1.2
"""

import re
from collections.abc import Callable, Sequence
from datetime import date

WRONG_FORM = "wrong form"
WRONG_CHECK_DIGIT = "wrong check digit"
_NATIONAL = re.compile(r"(\d{2})(\d{2})(\d{2})(\d{2})[A-HJ-NPR-UX-Z]{2}[0-9A-HJ-NPR-UX-Z]\d")
_STOCKHOLM = re.compile(r"99(?:19|2[0-2])\d{8}")
_GOTALAND = re.compile(r"(\d{4})(\d{2})(\d{2})[KMX](?:0[6-9]|[1-8]\d)\d")
_INERA = re.compile(r"\d{4}(?:0[1-9]|1[0-2])(?:3[2-9]|[45]\d)\d{4}")
_GOTALAND_LETTERS = {"K": 5, "M": 7, "X": 8}
_NOT_A_SERIES = range(1, 22)
"""The first two digits of a national one that are kept for later, or would read as a personnummer."""


def clean_reserve(text: str) -> str:
    """Write a reserve number as its register does: capitals, neither blanks nor a hyphen."""
    return re.sub(r"[\s-]", "", text).upper()


def clean_if_reserve(text: str) -> str:
    """Return what some register would write for a reserve number; text that none would write as it is."""
    cleaned = clean_reserve(text)
    is_one = any(find_fault(check, cleaned) != WRONG_FORM for check in RESERVE_CHECKS)
    return cleaned if is_one else text


def find_fault(check: str, value: str) -> str:
    """Say what is wrong with a number by the check of its domain; empty if nothing is, or nothing is checked.

    Parameters
    ----------
    check
        A word of `RESERVE_CHECKS`, `none`, or a regular expression of the whole number.
    """
    if check in ("", "none"):
        return ""
    known = RESERVE_CHECKS.get(check)
    if known is not None:
        return known(value)
    return "" if re.fullmatch(check, value) else WRONG_FORM


def luhn_digit(digits: Sequence[int]) -> int:
    """Compute the check digit of an odd number of digits, the first of which counts twice.

    A letter is one number of two digits in its place, twice of which has up to three.
    """
    total = 0
    for index, digit in enumerate(digits):
        double = digit * (2 - index % 2)
        total += double // 100 + double // 10 % 10 + double % 10
    return -total % 10


def _check_national(value: str) -> str:
    match = _NATIONAL.fullmatch(value)
    if match is None:
        return WRONG_FORM
    series, _, month, day = (int(part) for part in match.groups())
    if series == 0:  # no date of birth is known: month and day are a running number
        is_one = 20 <= month <= 99 and 40 <= day <= 59
    else:
        is_one = series not in _NOT_A_SERIES and 1 <= month <= 12 and 1 <= day <= 31
    if not is_one:
        return WRONG_FORM
    numbers = [int(char) if char.isdigit() else ord(char) for char in value[:11]]
    return "" if luhn_digit(numbers) == int(value[11]) else WRONG_CHECK_DIGIT


def _check_stockholm(value: str) -> str:
    return _compare(value, 4) if _STOCKHOLM.fullmatch(value) else WRONG_FORM


def _check_gotaland(value: str) -> str:
    match = _GOTALAND.fullmatch(value)
    if match is None or not _is_date(*match.groups()):
        return WRONG_FORM
    return _compare(value, 2)


def _check_inera(value: str) -> str:
    return _compare(value, 2) if _INERA.fullmatch(value) else WRONG_FORM


def _compare(value: str, start: int) -> str:
    digits = [_GOTALAND_LETTERS.get(char) or int(char) for char in value[start:11]]
    return "" if luhn_digit(digits) == int(value[11]) else WRONG_CHECK_DIGIT


def _is_date(year: str, month: str, day: str) -> bool:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


RESERVE_CHECKS: dict[str, Callable[[str], str]] = {
    "reserve": _check_national,
    "reserve_stockholm": _check_stockholm,
    "reserve_gotaland": _check_gotaland,
    "reserve_inera": _check_inera,
}
"""By the word in the affinity domain: the national number, and those of regions that publish a rule."""
