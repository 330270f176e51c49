"""What a region consists of: the truth behind the DICOM files, which a server can be held against."""

import datetime as dt
from dataclasses import dataclass
from enum import Enum

from deploy.region.exams import Exam
from deploy.region.identities import PersonName
from deploy.region.makers import Procedure
from deploy.region.organisation import HOSPITALS_AT_MOST, Department, Hospital
from deploy.region.seeds import Seeds


class InvalidRegionSize(ValueError):
    """A region was asked for that cannot be made; the message says which figure and what it may be."""


@dataclass(frozen=True, slots=True)
class RegionSize:
    """How large a region to plan.

    `slices` is the number of images in a CT or MR series, `size_px` the rows of CT, MR and ultrasound images
    (radiographs get twice that), `frames` the length of an ultrasound clip, `years` the length of the history
    that ends with `until_year`. `report_share` and `pdf_share` are shares of the studies; `with_manifests`
    adds an XDS-I manifest to every study; `with_quirks` adds names in capitals without Å, Ä, Ö and patients
    under reserve numbers.
    """

    patients: int = 40
    studies: int = 120
    slices: int = 18
    size_px: int = 256
    frames: int = 12
    years: int = 6
    seed: int = 1
    until_year: int = 2025
    hospitals: int = HOSPITALS_AT_MOST
    report_share: float = 0.9
    pdf_share: float = 0.0
    with_manifests: bool = False
    with_quirks: bool = False

    def __post_init__(self) -> None:
        least = {
            "patients": 1,
            "studies": 1,
            "slices": 1,
            "size_px": 32,
            "frames": 1,
            "years": 1,
            "hospitals": 1,
        }
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise InvalidRegionSize(f"{name} is {getattr(self, name)}, it must be at least {minimum}")
        if self.hospitals > HOSPITALS_AT_MOST:
            raise InvalidRegionSize(f"hospitals is {self.hospitals}, there are only {HOSPITALS_AT_MOST}")
        if self.size_px % 2:
            raise InvalidRegionSize(f"size_px is {self.size_px}, it must be even")


@dataclass(frozen=True, slots=True)
class Patient:
    """A person of the region; `personal_number` has twelve digits."""

    index: int
    personal_number: str
    birth_date: dt.date
    sex: str
    name: PersonName
    home: Hospital
    has_lesion: bool
    is_protected: bool = False
    blocked_at: Hospital | None = None

    def local_number_at(self, hospital: Hospital) -> str:
        """Name the hospital's own record number; its letters keep it apart from a personal number."""
        return f"{hospital.code}-{1000 + self.index:06d}"

    def reserve_number_at(self, hospital: Hospital) -> str:
        """Name the number the hospital uses while it does not know who the patient is."""
        return f"R{hospital.code}{self.index:06d}"


@dataclass(frozen=True, slots=True)
class Order:
    """A request for an examination, placed by a clinic; `accession_number` is None until it was performed."""

    placer_order_number: str
    accession_number: str | None
    patient: Patient
    exam: Exam
    laterality: str
    question: str
    is_urgent: bool
    ordered_at: dt.datetime
    requesting_department: Department
    requesting_hospital: Hospital
    requesting_physician: PersonName
    performing_hospital: Hospital


class ReportState(Enum):
    """How far a report has come."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDED = "amended"


@dataclass(frozen=True, slots=True)
class ReportVersion:
    """One version of a report; `long_axis_mm` is the measured finding, if there is one."""

    version: int
    state: ReportState
    reported_at: dt.datetime
    reader: PersonName
    findings: str
    impression: str
    long_axis_mm: float | None


@dataclass(frozen=True, slots=True)
class Study:
    """A study that was made: `prior_number` counts the earlier ones, `reports` are oldest first."""

    study_instance_uid: str
    accession_number: str
    patient: Patient
    hospital: Hospital
    exam: Exam
    laterality: str
    performed_at: dt.datetime
    prior_number: int
    order: Order
    reports: tuple[ReportVersion, ...]
    has_pdf: bool
    has_reserve_number: bool
    lesion_growth: float

    @property
    def procedure(self) -> Procedure:
        """What the hospital's maker calls the examination."""
        return self.hospital.maker.procedures[self.exam.kind]

    @property
    def description(self) -> str:
        """The Study Description, with the side where there is one."""
        side = {"R": " höger", "L": " vänster", "": ""}[self.laterality]
        return self.procedure.description + side


@dataclass(frozen=True, slots=True)
class Subscription:
    """A department's wish: studies of these kinds of the hospital's own patients, wherever they were made."""

    department: Department
    hospital: Hospital
    exam_kinds: tuple[str, ...]
    modalities: tuple[str, ...]

    def wants(self, study: Study) -> bool:
        """Say whether the study should be delivered to the department."""
        return study.exam.kind in self.exam_kinds and study.patient.home == self.hospital


@dataclass(frozen=True, slots=True)
class Region:
    """Everything there is; studies are in the order in which they were made."""

    size: RegionSize
    seeds: Seeds
    hospitals: tuple[Hospital, ...]
    patients: tuple[Patient, ...]
    studies: tuple[Study, ...]
    open_orders: tuple[Order, ...]
    subscriptions: tuple[Subscription, ...]
