"""The rows of a patient page and the filters above them."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from access.policy import Decision
from frontend.harmonised import name_region
from frontend.masking import is_masked, make_row_under
from frontend.modalities import make_badge
from frontend.studies import StudyRow, with_row_facts
from registry.explained import Explained
from registry.harmonise.vocabulary import REGION_NAMES
from registry.models import Study
from registry.visibility import VisibleStudy


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is a link: it adds or removes one condition of the address."""

    name: str
    query: str
    chosen: bool
    title: str = ""


@dataclass(frozen=True, slots=True)
class Filter:
    """What the address asks for: a hospital (its key), a modality badge, a selected study, a body region (its code)."""

    unit: str = ""
    modality: str = ""
    study: str = ""
    region: str = ""

    def query(self, **changes: str) -> str:
        """Return the query string of this filter with some values changed."""
        values = {
            "unit": self.unit,
            "modality": self.modality,
            "study": self.study,
            "region": self.region,
            **changes,
        }
        return "?" + urlencode({key: value for key, value in values.items() if value})


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A study that opens, or one of another unit that opens when the person chooses to read the unit's data."""

    row: StudyRow
    study: Study
    decision: Decision
    query: str

    @property
    def opens(self) -> bool:
        """True if the study may be read now."""
        return self.decision.permits

    @property
    def visible(self) -> VisibleStudy:
        """The study as reading it is recorded."""
        return VisibleStudy(self.study.pk, self.study.study_instance_uid, self.study.person_id, self.decision)


@dataclass(frozen=True, slots=True)
class Timeline:
    """All rows and those that match the filter, newest first, and which of them is selected."""

    rows: tuple[TimelineRow, ...]
    total: int
    selected: TimelineRow | None
    hospital_chips: tuple[Chip, ...]
    modality_chips: tuple[Chip, ...]
    region_chips: tuple[Chip, ...] = ()


def make_timeline(explained: Explained, wanted: Filter) -> Timeline:
    """Make the rows of what is permitted and what may be chosen; of the rest there is none."""
    decisions = {study.pk: decision for study, decision in (*explained.permitted, *explained.choosable)}
    studies = with_row_facts(Study.objects.filter(pk__in=decisions))
    rows = [
        TimelineRow(
            make_row_under(decisions[study.pk], study),
            study,
            decisions[study.pk],
            wanted.query(study=study.study_instance_uid),
        )
        for study in studies.order_by("-study_date", "-study_time", "-pk")
    ]
    shown = [item for item in rows if _matches(item.row, wanted)]
    readable = [item for item in shown if item.opens]
    selected = next((item for item in readable if item.row.study_instance_uid == wanted.study), None)
    return Timeline(
        rows=tuple(shown),
        total=len(rows),
        selected=selected or next(iter(readable), None),
        hospital_chips=tuple(_hospital_chips(rows, wanted)),
        modality_chips=tuple(_modality_chips(rows, wanted)),
        region_chips=tuple(_region_chips(rows, wanted)),
    )


def _matches(row: StudyRow, wanted: Filter) -> bool:
    at_unit = not wanted.unit or str(row.unit_id) == wanted.unit
    of_region = not wanted.region or wanted.region in row.body_regions
    return (
        at_unit
        and of_region
        and (not wanted.modality or row.badge.letters == make_badge(wanted.modality).letters)
    )


def _hospital_chips(rows: Iterable[TimelineRow], wanted: Filter) -> list[Chip]:
    units = {str(item.row.unit_id): item.row.hospital for item in rows if not is_masked(item.decision)}
    chips = [
        Chip(name, wanted.query(unit=unit, study=""), wanted.unit == unit)
        for unit, name in sorted(units.items(), key=lambda pair: pair[1])
    ]
    everything = Chip(_("All hospitals"), wanted.query(unit="", study=""), not wanted.unit)
    return [everything, *chips] if len(chips) > 1 or wanted.unit else []


def _modality_chips(rows: Iterable[TimelineRow], wanted: Filter) -> list[Chip]:
    # CR and DX share their letters and therefore one chip.
    badges = {item.row.badge.letters: item.row.badge for item in rows}
    chosen = make_badge(wanted.modality).letters if wanted.modality else ""
    chips = [
        Chip(
            letters,
            wanted.query(modality=badge.code, study=""),
            chosen == letters,
            make_badge(badge.code).title,
        )
        for letters, badge in sorted(badges.items())
    ]
    everything = Chip(_("All kinds"), wanted.query(modality="", study=""), not wanted.modality)
    return [everything, *chips] if len(chips) > 1 or wanted.modality else []


def _region_chips(rows: Iterable[TimelineRow], wanted: Filter) -> list[Chip]:
    present = {region for item in rows for region in item.row.body_regions}
    chips = [
        Chip(name_region(region), wanted.query(region=region, study=""), wanted.region == region)
        for region in REGION_NAMES
        if region in present
    ]
    everything = Chip(_("All regions"), wanted.query(region="", study=""), not wanted.region)
    return [everything, *chips] if len(chips) > 1 or wanted.region else []
