"""What we would guess that an unknown word means, from the study it came with."""

from registry.harmonise.decide import HarmonisedValues, Tables, Word
from registry.harmonise.vocabulary import PART_REGIONS
from registry.harmonise.words import find_laterality, find_parts


def propose(word: Word, values: HarmonisedValues, tables: Tables) -> dict[str, object]:
    """Return a guess as the fields of a mapping; what cannot be guessed is left out.

    The meaning that came with a code says most, else what is known of the study.
    """
    parts = find_parts(f"{word.meaning} {word.value}")
    regions = list(dict.fromkeys(PART_REGIONS[part] for part in parts)) or list(values.body_regions)
    fitting = [
        procedure.code
        for procedure in tables.procedures
        if procedure.modality_family == values.modality_family
        and (set(procedure.parts) & set(parts) or (regions and set(procedure.body_regions) == set(regions)))
    ]
    guess = {
        "modality_family": values.modality_family,
        "body_regions": regions,
        "laterality": find_laterality(word.value),
        "procedure_code": values.procedure_code or (fitting[0] if len(fitting) == 1 else ""),
    }
    return {name: value for name, value in guess.items() if value}
