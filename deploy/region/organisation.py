"""Who gives care in the region: two care providers, their ten hospitals, eight departments in each."""

from dataclasses import dataclass

from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    JPEGLSLossless,
)

from deploy.region.makers import GRANIT, KLARBLICK, NORRSKEN, TVARSNITT, Maker
from deploy.region.seeds import Seeds

RADIOLOGY = "Röntgenavdelningen"
DEPARTMENT_NAMES = (
    RADIOLOGY, "Akutmottagningen", "Ortopedkliniken", "Neurologkliniken", "Onkologkliniken", "Kirurgkliniken",
    "Medicinkliniken", "Hjärtkliniken",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CareProvider:
    """A care provider (vårdgivare)."""

    hsa_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Department:
    """A department of a hospital."""

    hsa_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Hospital:
    """A hospital (care unit): who owns it, whose system it bought, and how that system writes its files.

    `issuer_oid` is the assigning authority of the hospital's own record numbers and accession numbers.
    """

    code: str
    hsa_id: str
    name: str
    town: str
    provider: CareProvider
    ae_title: str
    issuer_oid: str
    maker: Maker
    specific_character_set: str
    transfer_syntax_uid: str
    departments: tuple[Department, ...]

    def get_department(self, name: str) -> Department:
        """Get the department with that name."""
        return next(department for department in self.departments if department.name == name)


REGION = CareProvider("SE0000000000", "Region Mellansjö")
CLINIC = CareProvider("SE0000000001", "Bildkliniken Fyren AB")

_UTF8, _LATIN1 = "ISO_IR 192", "ISO_IR 100"
_HOSPITALS = (
    ("ASU", "Åstads universitetssjukhus", "Åstad", REGION, NORRSKEN, _UTF8, ExplicitVRLittleEndian),
    ("OML", "Östermåla lasarett", "Östermåla", REGION, KLARBLICK, _LATIN1, ExplicitVRLittleEndian),
    ("HVS", "Havsnäs sjukhus", "Havsnäs", REGION, NORRSKEN, _UTF8, ExplicitVRLittleEndian),
    ("BKL", "Björkelunda lasarett", "Björkelunda", REGION, TVARSNITT, _LATIN1, ImplicitVRLittleEndian),
    ("SDS", "Södersjö centralsjukhus", "Södersjö", REGION, KLARBLICK, _UTF8, ExplicitVRLittleEndian),
    ("LVL", "Lövala lasarett", "Lövala", REGION, TVARSNITT, _LATIN1, JPEGLSLossless),
    ("TRH", "Tränghamns sjukhus", "Tränghamn", REGION, GRANIT, _UTF8, ImplicitVRLittleEndian),
    ("KFS", "Kärrfors sjukhus", "Kärrfors", REGION, NORRSKEN, _LATIN1, JPEGLosslessSV1),
    ("VDB", "Vadbro närsjukhus", "Vadbro", REGION, GRANIT, _UTF8, ExplicitVRLittleEndian),
    ("PRV", "Bildkliniken Fyren", "Åstad", CLINIC, KLARBLICK, _UTF8, ExplicitVRLittleEndian),
)  # fmt: skip
HOSPITALS_AT_MOST = len(_HOSPITALS)


def make_hospitals(seeds: Seeds, count: int = HOSPITALS_AT_MOST) -> tuple[Hospital, ...]:
    """Make the first `count` hospitals; the tenth is the private one."""
    return tuple(_make_hospital(seeds, *row) for row in _HOSPITALS[:count])


def _make_hospital(
    seeds: Seeds,
    code: str,
    name: str,
    town: str,
    provider: CareProvider,
    maker: Maker,
    charset: str,
    syntax: str,
) -> Hospital:
    hsa_id = f"{provider.hsa_id}-{code}"
    departments = tuple(
        Department(f"{hsa_id}-{number:02d}", department_name)
        for number, department_name in enumerate(DEPARTMENT_NAMES, start=1)
    )
    return Hospital(
        code=code, hsa_id=hsa_id, name=name, town=town, provider=provider, ae_title=f"{code}_PACS",
        issuer_oid=seeds.make_uid("hospital", code), maker=maker, specific_character_set=charset,
        transfer_syntax_uid=str(syntax), departments=departments,
    )  # fmt: skip
