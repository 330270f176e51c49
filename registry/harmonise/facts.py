"""What studies came with, read in two queries however many they are."""

from collections.abc import Iterable, Mapping
from typing import Any

from registry.harmonise.decide import HarmonisedValues, StudyFacts, Word
from registry.models import Harmonised, Series, Study

COLUMNS = ("custodian_id", "modalities_in_study", "study_description", "procedure_code_sequence")
MAX_CODES = 8


def read_facts(study_ids: Iterable[int]) -> dict[int, StudyFacts]:
    """Read the facts of studies by key."""
    keys = list(study_ids)
    parts: dict[int, dict[str, None]] = {}
    sides: dict[int, dict[str, None]] = {}
    series = Series.objects.filter(study__in=keys, number_of_series_related_instances__gt=0).order_by("pk")
    regions: dict[int, dict[Word, None]] = {}
    columns = ("study_id", "body_part_examined", "laterality", "anatomic_region_sequence")
    for study_id, part, side, anatomy in series.values_list(*columns):
        parts.setdefault(study_id, {})[part] = None
        sides.setdefault(study_id, {})[side] = None
        regions.setdefault(study_id, {}).update(dict.fromkeys(_words_of(anatomy, "anatomic_region")))
    return {
        pk: StudyFacts(
            department_id=custodian_id,
            modalities=tuple(map(str, modalities)),
            description=description,
            procedures=tuple(_words_of(codes)),
            body_parts=tuple(part for part in parts.get(pk, ()) if part.strip()),
            lateralities=tuple(side for side in sides.get(pk, ()) if side.strip()),
            anatomic_regions=tuple(regions.get(pk, ())),
        )
        for pk, custodian_id, modalities, description, codes in Study.objects.filter(pk__in=keys).values_list(
            "pk", *COLUMNS
        )
    }


def values_of(row: Harmonised) -> HarmonisedValues:
    """Return the values that a row keeps."""
    return HarmonisedValues(
        row.modality_family,
        tuple(row.body_regions),
        row.laterality,
        row.procedure_code,
        row.procedure_code_scheme,
        row.display_sv,
        row.display_en,
        row.basis,
    )


def _words_of(items: Any, kind: str = "procedure_code") -> Iterable[Word]:
    """Read the items of a code sequence in DICOM JSON; what is misshapen is left out."""
    for item in (items if isinstance(items, list) else [])[:MAX_CODES]:
        if isinstance(item, Mapping):
            code = next(
                (text for tag in ("00080100", "00080119", "00080120") if (text := _text(item, tag))), ""
            )
            if code:
                yield Word(kind, code, _text(item, "00080102")[:64], _text(item, "00080104"))


def _text(item: Mapping[str, Any], tag: str) -> str:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, Mapping) else None
    return str(values[0]).strip() if isinstance(values, list) and values and values[0] is not None else ""
