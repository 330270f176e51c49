"""Which earlier studies of a patient bear on an examination: the same part of the body, seen alike, not too old.

Pure ranking over harmonised values; `find_priors` and `find_priors_of_order` read what it ranks.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from registry.harmonise.decide import HarmonisedValues, StudyFacts, Word, harmonise
from registry.harmonise.read import read_values
from registry.harmonise.tables import read_tables
from registry.harmonise.vocabulary import BREAST, ENTIRE_BODY, HEART, REGION_NAMES, UPPER_TRUNK
from registry.models import Order, Study

ALIKE = (
    frozenset({"CT", "MR", "PT"}),
    frozenset({"NM", "PT"}),
    frozenset({"XR", "CT"}),
    frozenset({"XR", "FL"}),
    frozenset({"MG", "US"}),
    frozenset({"MG", "MR"}),
    frozenset({"US", "CT"}),
)
"""Families that are read beside each other; a study of the same family comes before them."""
NEAR = {HEART: UPPER_TRUNK, UPPER_TRUNK: HEART}
OPPOSITE = {("R", "L"), ("L", "R")}
MOST_READ = 500
"""Studies of one patient that are looked at, the newest."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What is compared of a study or of an examination to come; `study_date` is `YYYYMMDD` or empty."""

    key: int
    study_date: str
    modality_family: str
    body_regions: frozenset[str]
    laterality: str = ""


def rank_priors(
    current: Examination, earlier: Iterable[Examination], *, most: int = 3, years: int = 10
) -> list[Examination]:
    """Return those that bear on an examination, the most useful first.

    Same family before a like one, the other side of the body last, then the newest. What is undated, later than the
    examination or older than `years` is left out, and what shows another part of the body; a part that is not known
    matches nothing but the same family.

    Parameters
    ----------
    most
        So many at most.
    years
        Whole years before the examination.
    """
    first = _years_before(current.study_date, years)
    fitting = [
        each
        for each in earlier
        if each.key != current.key
        and first <= each.study_date <= (current.study_date or "99999999")
        and each.study_date
        and _is_alike(current, each)
    ]
    fitting.sort(key=lambda each: (each.study_date, each.key), reverse=True)
    fitting.sort(key=lambda each: (_distance(current, each), _is_other_side(current, each)))
    return fitting[:most]


def find_priors(study: Study, *, most: int = 3, years: int = 10) -> list[Study]:
    """Return the relevant priors of a study, whoever keeps them: whether they may be shown is decided elsewhere."""
    values = read_values([study.pk])[study.pk]
    current = _examine(study.pk, study.study_date or _today(), values)
    return _find(study.person_id, current, most, years)


def find_priors_of_order(order: Order, *, most: int = 3, years: int = 10) -> list[Study]:
    """Return the priors of an examination that is asked for, by its procedure code and text."""
    tables = read_tables()
    word = Word(
        "procedure_code", order.procedure_code, order.procedure_code_scheme[:64], order.procedure_text
    )
    facts = StudyFacts(
        department_id=order.performing_department_id,
        description=order.procedure_text,
        procedures=(word,) if order.procedure_code else (),
    )
    values = harmonise(facts, tables)
    procedure = tables.procedure(values.procedure_code)
    family = values.modality_family or (procedure.modality_family if procedure else "")
    when = timezone.localtime(order.scheduled_at).strftime("%Y%m%d") if order.scheduled_at else _today()
    current = Examination(0, when, family, frozenset(values.body_regions), values.laterality)
    return _find(order.patient_id, current, most, years)


def _find(person_id: int, current: Examination, most: int, years: int) -> list[Study]:
    rows = Study.objects.filter(person=person_id, number_of_study_related_instances__gt=0, in_conflict=False)
    studies = {
        study.pk: study
        for study in rows.select_related("custodian__unit").order_by("-study_date", "-pk")[:MOST_READ]
    }
    values = read_values(studies)
    earlier = [_examine(pk, study.study_date, values[pk]) for pk, study in studies.items() if pk in values]
    return [studies[each.key] for each in rank_priors(current, earlier, most=most, years=years)]


def _examine(key: int, study_date: str, values: HarmonisedValues) -> Examination:
    return Examination(
        key, study_date, values.modality_family, frozenset(values.body_regions), values.laterality
    )


def _is_alike(current: Examination, earlier: Examination) -> bool:
    if earlier.modality_family == "OT" or _distance(current, earlier) > 1:
        return False
    if not current.body_regions or not earlier.body_regions:
        return bool(current.modality_family) and current.modality_family == earlier.modality_family
    return not _reach(current.body_regions).isdisjoint(_reach(earlier.body_regions))


def _reach(regions: frozenset[str]) -> frozenset[str]:
    """Return the regions that a study of these shows; one of the whole body shows all but the breast in detail."""
    if ENTIRE_BODY in regions:
        return regions | (frozenset(REGION_NAMES) - {BREAST})
    return regions | {NEAR[region] for region in regions if region in NEAR}


def _distance(current: Examination, earlier: Examination) -> int:
    """Return 0 for the same family, 1 for a like one or where one is not known, 2 for others."""
    families = {current.modality_family, earlier.modality_family}
    if len(families) == 1 and "" not in families:
        return 0
    return 1 if "" in families or any(families <= group for group in ALIKE) else 2


def _is_other_side(current: Examination, earlier: Examination) -> bool:
    return (current.laterality, earlier.laterality) in OPPOSITE


def _years_before(study_date: str, years: int) -> str:
    """Return the first date that counts, `YYYYMMDD`; of a date that cannot be read, counted from today."""
    digits = study_date if len(study_date) == 8 and study_date.isdigit() else _today()
    return f"{max(0, int(digits[:4]) - years):04}{digits[4:]}"


def _today() -> str:
    return f"{timezone.localdate():%Y%m%d}"
