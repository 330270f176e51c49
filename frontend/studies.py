"""A study as a row: when, what, where, report, how many images."""

from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from frontend.harmonised import name_procedure, regions_of
from frontend.modalities import WITHOUT_IMAGES, Badge, make_study_badge
from frontend.people import Banner, format_date, format_time, read_banner
from frontend.reports import ReportState, read_state
from registry.models import Series, Study


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One study for lists and headings.

    `unit_id` and `modality` are what the chips filter by.
    """

    pk: int
    study_instance_uid: str
    patient: Banner
    date: str
    time: str
    badge: Badge
    description: str
    hospital: str
    department: str
    unit_id: int
    accession_number: str
    image_count: int
    report: ReportState
    in_conflict: bool
    procedure: str = ""
    body_regions: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Description and date, as headings name a study."""
        return f"{self.description} {self.date}".strip()


def with_row_facts(studies: QuerySet[Study]) -> QuerySet[Study]:
    """Add what rows are made of, in a fixed number of queries."""
    series = Series.objects.only("study", "modality", "number_of_series_related_instances")
    rows = studies.select_related("person", "custodian__unit", "harmonised").defer("fragment")
    return rows.prefetch_related("person__identifiers", "reports__versions", Prefetch("series", series))


def name_hospital(study: Study) -> str:
    """Name the hospital that a study comes from."""
    unit = study.custodian.unit if study.custodian else None
    return unit.name if unit else study.institution_name or _("Hospital unknown")


def count_images(study: Study) -> int:
    """Count the instances of the series that hold images."""
    return sum(
        series.number_of_series_related_instances
        for series in study.series.all()
        if series.modality not in WITHOUT_IMAGES
    )


def make_row(study: Study) -> StudyRow:
    """Make the row of a study that was permitted."""
    unit = study.custodian.unit if study.custodian else None
    return StudyRow(
        pk=study.pk,
        study_instance_uid=study.study_instance_uid,
        patient=read_banner(study.person),
        date=format_date(study.study_date) or _("date missing"),
        time=format_time(study.study_time),
        badge=make_study_badge(study.modalities_in_study),
        description=study.study_description or _("Study without description"),
        hospital=name_hospital(study),
        department=study.custodian.name if study.custodian else "",
        unit_id=unit.pk if unit else 0,
        accession_number=study.accession_number,
        image_count=count_images(study),
        report=read_state(study),
        in_conflict=study.in_conflict,
        procedure=name_procedure(study),
        body_regions=regions_of(study),
    )
