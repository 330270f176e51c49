"""The four makers whose systems the region bought, and the habits each of them has.

As in life: everyone has its own procedure codes, body-part words and accession numbers, and only one of the
four says correctly who issued a patient's number. A registry has to see through all of it.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from deploy.region.identities import NumberStyle


class StatedIssuer(Enum):
    """What a system says about who issued the PatientID it sends."""

    NATIONAL = "the national identifier, with its OID"
    NONE = "nothing"
    WRONG = "the hospital itself, which did not issue it"


@dataclass(frozen=True, slots=True)
class Procedure:
    """What one maker calls one kind of examination."""

    code: str
    description: str
    body_part: str


@dataclass(frozen=True, slots=True)
class Maker:
    """A maker of radiology systems and its habits.

    `format_accession(hospital code, day, number in the year, number in the day)` writes an accession number;
    only those of `NORRSKEN` are unique in the region.
    """

    name: str
    model_suffix: str
    coding_scheme: str
    number_style: NumberStyle
    stated_issuer: StatedIssuer
    format_accession: Callable[[str, dt.date, int, int], str]
    procedures: dict[str, Procedure] = field(hash=False)


def _procedures(table: str) -> dict[str, Procedure]:
    rows = (row.split("|") for row in table.strip().splitlines())
    return {
        kind.strip(): Procedure(code.strip(), text.strip(), part.strip()) for kind, code, text, part in rows
    }


NORRSKEN = Maker(
    "Norrsken Imaging", "A", "99NORRSKEN", NumberStyle.TWELVE_DIGITS, StatedIssuer.NATIONAL,
    lambda hospital, day, in_year, in_day: f"{hospital}{day:%y}{in_year:07d}",
    _procedures("""
        ct_head    | 82000 | DT hjärna              | HEAD
        ct_chest   | 83300 | DT thorax              | CHEST
        ct_abdomen | 84300 | DT buk                 | ABDOMEN
        mr_brain   | 81100 | MR hjärna              | BRAIN
        mr_knee    | 86600 | MR knä                 | KNEE
        cr_chest   | 32800 | Lungröntgen            | CHEST
        dx_chest   | 32801 | Lungröntgen, digital   | CHEST
        cr_knee    | 66500 | Röntgen knä            | KNEE
        dx_hand    | 56700 | Röntgen hand           | HAND
        us_heart   | 39500 | Ultraljud hjärta       | HEART
        us_abdomen | 44900 | Ultraljud buk          | ABDOMEN
    """),
)  # fmt: skip

KLARBLICK = Maker(
    "Klarblick Medical", "B", "99KLARBLICK", NumberStyle.HYPHEN, StatedIssuer.NONE,
    lambda hospital, day, in_year, in_day: f"{day:%Y}{in_year:06d}",
    _procedures("""
        ct_head    | DTSKALLE | CT skalle              | HUVUD
        ct_chest   | DTTHX    | CT lungor              | THORAX
        ct_abdomen | DTBUK    | CT buköversikt         | BUK
        mr_brain   | MRHJA    | MRT hjärna             | HJARNA
        mr_knee    | MRKNA    | MRT knäled             | KNALED
        cr_chest   | PULM     | Pulm                   | LUNGOR
        dx_chest   | PULMD    | Pulm digital           | LUNGOR
        cr_knee    | KNA      | Slätröntgen knäled     | KNALED
        dx_hand    | HAND     | Slätröntgen hand       | HAND
        us_heart   | EKO      | Ekokardiografi         | HJARTA
        us_abdomen | ULBUK    | UL buk                 | BUK
    """),
)  # fmt: skip

TVARSNITT = Maker(
    "Tvärsnitt AB", "C", "99TVARSNITT", NumberStyle.TEN_DIGITS, StatedIssuer.NONE,
    lambda hospital, day, in_year, in_day: f"R-{in_year:06d}-{day:%y}",
    _procedures("""
        ct_head    | C-101 | CT BRAIN WO             | SKULL
        ct_chest   | C-201 | CT CHEST WITH           | LUNG
        ct_abdomen | C-301 | CT ABD/PELVIS           | ABDOMENPELVIS
        mr_brain   | M-101 | MR BRAIN                | BRAIN
        mr_knee    | M-601 | MR KNEE JOINT           | EXTREMITY
        cr_chest   | X-201 | CHEST AP/PA             | CHEST
        dx_chest   | X-202 | CHEST AP/PA DR          | CHEST
        cr_knee    | X-601 | KNEE AP                 | EXTREMITY
        dx_hand    | X-701 | HAND PA                 | EXTREMITY
        us_heart   | U-401 | ECHO TTE                | CARDIAC
        us_abdomen | U-301 | US ABD COMPLETE         | ABDOMEN
    """),
)  # fmt: skip

GRANIT = Maker(
    "Granit Röntgen", "D", "99GRANIT", NumberStyle.TWELVE_DIGITS, StatedIssuer.WRONG,
    lambda hospital, day, in_year, in_day: f"{day:%Y%m%d}-{in_day:04d}",
    _procedures("""
        ct_head    | 1.10 | Datortomografi hjärna     | CNS
        ct_chest   | 1.20 | Datortomografi thorax     | THX
        ct_abdomen | 1.30 | Datortomografi buk        | ABD
        mr_brain   | 2.10 | Magnetkamera hjärna       | CNS
        mr_knee    | 2.60 | Magnetkamera knä          | GEN
        cr_chest   | 3.20 | Hjärta och lungor         | COR_PULM
        dx_chest   | 3.21 | Hjärta och lungor, DR     | COR_PULM
        cr_knee    | 3.60 | Skelett knä               | GEN
        dx_hand    | 3.70 | Skelett hand              | MANUS
        us_heart   | 4.40 | Hjärteko                  | COR
        us_abdomen | 4.30 | Buk ultraljud             | ABD
    """),
)  # fmt: skip

MAKERS = (NORRSKEN, KLARBLICK, TVARSNITT, GRANIT)
