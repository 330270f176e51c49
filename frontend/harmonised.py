"""A study in the region's words, as pages show it beside its own."""

from django.utils.translation import get_language

from registry.harmonise.vocabulary import REGION_NAMES
from registry.models import Harmonised, Study


def name_procedure(study: Study) -> str:
    """Name the regional procedure of a study in the language of the page; empty where none is known.

    It is also empty where the study says the same.
    """
    row = _row_of(study)
    if row is None or not row.procedure_code:
        return ""
    name = row.display_sv if is_swedish() else row.display_en
    return "" if name.casefold() == study.study_description.strip().casefold() else name


def regions_of(study: Study) -> tuple[str, ...]:
    """Return the body regions of a study, as codes."""
    row = _row_of(study)
    return tuple(row.body_regions) if row else ()


def name_region(code: str) -> str:
    """Name a body region in the language of the page."""
    names = REGION_NAMES.get(code)
    return names[0 if is_swedish() else 1] if names else code


def is_swedish() -> bool:
    """Tell whether the page is in Swedish."""
    return (get_language() or "").startswith("sv")


def _row_of(study: Study) -> Harmonised | None:
    return getattr(study, "harmonised", None)
