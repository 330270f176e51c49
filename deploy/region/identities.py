"""Fictional people: personal identity numbers nobody holds, and names to go with them.

The numbers have a birth date from 1890 to 1899, an individual number from 980 up and a correct check digit:
the pattern that the Swedish Tax Agency publishes as test numbers. Anybody born then would be past 125 years.
"""

import datetime as dt
from dataclasses import dataclass
from enum import Enum

import numpy as np

PERSONAL_NUMBER_OID = "1.2.752.129.2.1.3.1"

_FIRST_DAY = dt.date(1890, 1, 1)
_DAYS = 3652
_FIRST_SERIAL, _LAST_SERIAL = 980, 999

WOMEN = (
    "Åsa", "Märta", "Karin", "Birgitta", "Elsa", "Maj-Britt", "Ingegärd", "Annika", "Görel", "Kerstin",
    "Lovisa", "Tyra", "Sigrid", "Malin", "Gudrun", "Ebba", "Agnes", "Astrid", "Vega", "Ylva",
)  # fmt: skip
MEN = (
    "Örjan", "Åke", "Göran", "Björn", "Sören", "Pär", "Håkan", "Lars-Åke", "Nils", "Gösta",
    "Mårten", "Erik", "Torbjörn", "Kjell", "Jöns", "Olof", "Ragnar", "Anders", "Hjalmar", "Sixten",
)  # fmt: skip
SURNAMES = (
    "Åkerström", "Öberg", "Ängström", "Sjögren", "Lindqvist", "Björklund", "Håkansson", "Nordström",
    "Göransson", "Ekström", "Ståhl", "Hällgren", "Östlund", "Pålsson", "Grönvall", "Märlind", "Söderhjälm",
    "Åhlén", "von Härdsköld", "Jönsson", "Mörk", "Törnqvist", "Väring", "Lööf", "Ödeblad", "Bäckman",
)  # fmt: skip


class NumbersExhausted(ValueError):
    """More people were asked for than there are fictional personal identity numbers."""


class NumberStyle(Enum):
    """How a system writes a personal identity number."""

    TWELVE_DIGITS = "twelve digits"
    HYPHEN = "twelve digits and a hyphen"
    TEN_DIGITS = "ten digits"


@dataclass(frozen=True, slots=True)
class PersonName:
    """A name as people carry it; `middle` may be empty."""

    family: str
    given: str
    middle: str = ""

    def to_dicom(self) -> str:
        """Write the name as a PN value.

        Standard: PS3.5 6.2.1
        """
        return "^".join(part for part in (self.family, self.given, self.middle) if part)


def compute_check_digit(nine_digits: str) -> str:
    """Compute the tenth digit of a personal identity number (Luhn, weights 2 and 1)."""
    products = (int(digit) * (2 - position % 2) for position, digit in enumerate(nine_digits))
    return str(-sum(product // 10 + product % 10 for product in products) % 10)


def make_personal_number(index: int, *, woman: bool) -> tuple[str, dt.date]:
    """Make the index-th fictional number of a sex: twelve digits, and the birth date in it.

    Raises
    ------
    NumbersExhausted
        Past 36,520 numbers of a sex.
    """
    serial = _FIRST_SERIAL + 2 * (index // _DAYS) + (0 if woman else 1)
    if serial > _LAST_SERIAL:
        raise NumbersExhausted(
            f"at most {_DAYS * 10} fictional people of each sex, number {index + 1} was asked for"
        )
    born = _FIRST_DAY + dt.timedelta(days=(index * 1009) % _DAYS)
    nine_digits = f"{born:%y%m%d}{serial}"
    return f"{born:%Y%m%d}{serial}{compute_check_digit(nine_digits)}", born


def format_personal_number(twelve_digits: str, style: NumberStyle) -> str:
    """Write a number as a system writes it.

    Ten digits do not say the century: it takes the birth date to tell.
    """
    if style is NumberStyle.HYPHEN:
        return f"{twelve_digits[:8]}-{twelve_digits[8:]}"
    if style is NumberStyle.TEN_DIGITS:
        return twelve_digits[2:]
    return twelve_digits


def pick_patient_name(stream: np.random.Generator, *, woman: bool) -> PersonName:
    """Pick a name: some have a double family name, about half a middle name."""
    given_names = WOMEN if woman else MEN
    given, middle = (given_names[int(stream.integers(len(given_names)))] for _ in range(2))
    family = SURNAMES[int(stream.integers(len(SURNAMES)))]
    if stream.random() < 0.08:
        family += "-" + SURNAMES[int(stream.integers(len(SURNAMES)))].split()[-1]
    has_middle = stream.random() < 0.5 and middle != given
    return PersonName(family, given, middle if has_middle else "")


def pick_staff_name(stream: np.random.Generator) -> PersonName:
    """Pick the name of a physician."""
    given_names = WOMEN + MEN
    family = SURNAMES[int(stream.integers(len(SURNAMES)))]
    return PersonName(family, given_names[int(stream.integers(len(given_names)))])
