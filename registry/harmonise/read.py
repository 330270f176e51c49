"""Read the values of studies: those that are kept, else those that would be written in a moment."""

from collections.abc import Iterable

from registry.harmonise.decide import HarmonisedValues, harmonise
from registry.harmonise.facts import read_facts, values_of
from registry.harmonise.tables import read_tables
from registry.models import Harmonised


def read_values(study_ids: Iterable[int]) -> dict[int, HarmonisedValues]:
    """Return the values of studies by key; one that the duty has not come to is decided here, nothing is written."""
    keys = set(study_ids)
    kept = {row.pk: values_of(row) for row in Harmonised.objects.filter(pk__in=keys)}
    missing = keys - kept.keys()
    if not missing:
        return kept
    tables = read_tables()
    return kept | {pk: harmonise(facts, tables) for pk, facts in read_facts(missing).items()}
