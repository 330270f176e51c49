"""Decide what a study is in the region's words: a pure function over what it came with and the tables.

The tables of its source come first, then DICOM codes and Body Part Examined, then the words of its description; each
value is taken from the first that says it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from registry.affinity_domain.shapes import Procedure
from registry.harmonise.anatomy import ANATOMY, ANATOMY_SCHEMES
from registry.harmonise.vocabulary import BODY_PARTS, FAMILIES, PART_REGIONS, REGION_NAMES
from registry.harmonise.words import find_laterality, find_parts, fold_word

KINDS = ("procedure_code", "description", "body_part")
"""By rank: the procedure code of a source says most, its body part least."""
STANDARD_SCHEMES = frozenset({"SCT", "SRT", "SNM3", "LN", "RADLEX", "RPID", "DCM", "UMLS"})
"""What a code of these is called is taken as a code's word, not as a source's."""
WordKey = tuple[int | None, str, str, str]
"""Department (None: every one), kind, scheme, folded value."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a source; `scheme` is that of a procedure code."""

    kind: str
    value: str
    scheme: str = ""
    meaning: str = ""

    @property
    def folded(self) -> str:
        """The word as tables know it."""
        return fold_word(self.value)


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What a study came with."""

    department_id: int | None = None
    modalities: tuple[str, ...] = ()
    description: str = ""
    procedures: tuple[Word, ...] = ()
    body_parts: tuple[str, ...] = ()
    lateralities: tuple[str, ...] = ()
    anatomic_regions: tuple[Word, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        """All words of the study, those that say most first."""
        description = (Word("description", self.description),) if self.description.strip() else ()
        parts = tuple(Word("body_part", part) for part in self.body_parts if part.strip())
        return (*self.procedures, *description, *parts)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a table says that a word means; what is empty it leaves to others."""

    modality_family: str = ""
    body_regions: tuple[str, ...] = ()
    laterality: str = ""
    procedure_code: str = ""


@dataclass(frozen=True, slots=True)
class Tables:
    """The region's procedures and what words mean; `version` changes with any of it."""

    procedure_scheme: str = ""
    procedures: tuple[Procedure, ...] = ()
    meanings: Mapping[WordKey, Meaning] = field(default_factory=dict)
    version: int = 0

    def find(self, department_id: int | None, word: Word) -> Meaning | None:
        """Return what a word of a source means: by the source's own table, else by that of all."""
        for owner in dict.fromkeys((department_id, None)):
            found = self.meanings.get((owner, word.kind, word.scheme, word.folded))
            if found is not None:
                return found
        return None

    def procedure(self, code: str) -> Procedure | None:
        """Return a procedure of the region."""
        return next((procedure for procedure in self.procedures if procedure.code == code), None)


@dataclass(frozen=True, slots=True)
class HarmonisedValues:
    """A study in the region's words; `unmapped` are its words that nothing understood."""

    modality_family: str = ""
    body_regions: tuple[str, ...] = ()
    laterality: str = ""
    procedure_code: str = ""
    procedure_code_scheme: str = ""
    display_sv: str = ""
    display_en: str = ""
    basis: str = "none"
    unmapped: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """What one rank says: parts of the body, and the name of the rank."""

    basis: str
    parts: tuple[str, ...]


def harmonise(facts: StudyFacts, tables: Tables) -> HarmonisedValues:
    """Decide the values of a study."""
    meaning = _look_up(facts, tables)
    family = meaning.modality_family or family_of(facts.modalities)
    reads = _read(facts)
    parts = next((read for read in reads if read.parts), _Read("none", ()))
    procedure, basis = _find_procedure(facts, tables, meaning, family, reads)
    regions = meaning.body_regions or (procedure.body_regions if procedure and basis == "table" else ())
    from_table = bool(regions)
    regions = regions or _regions_of(parts.parts) or (procedure.body_regions if procedure else ())
    if procedure is None:
        basis = "table" if from_table else parts.basis
    return HarmonisedValues(
        modality_family=family,
        body_regions=tuple(dict.fromkeys(regions)),
        laterality=meaning.laterality or _laterality_of(facts),
        procedure_code=procedure.code if procedure else "",
        procedure_code_scheme=tables.procedure_scheme if procedure else "",
        display_sv=procedure.display_sv if procedure else _display(family, regions, 0),
        display_en=procedure.display_en if procedure else _display(family, regions, 1),
        basis=basis,
        unmapped=() if procedure and regions else _find_unmapped(facts, tables),
    )


def family_of(modalities: tuple[str, ...]) -> str:
    """Return the family of a study's modalities; `OT` for what is no image, empty for nothing."""
    known = set(modalities)
    return next((family for code, family in FAMILIES.items() if code in known), "OT" if known else "")


def _look_up(facts: StudyFacts, tables: Tables) -> Meaning:
    """Join what the tables say of all words of a study; the first to say a value wins."""
    joined = Meaning()
    for word in facts.words:
        found = tables.find(facts.department_id, word)
        if word.scheme and word.scheme == tables.procedure_scheme and tables.procedure(word.value):
            found = Meaning(procedure_code=word.value)
        if found is None:
            continue
        joined = Meaning(
            joined.modality_family or found.modality_family,
            joined.body_regions or found.body_regions,
            joined.laterality or found.laterality,
            joined.procedure_code or found.procedure_code,
        )
    return joined


def _read(facts: StudyFacts) -> tuple[_Read, ...]:
    """Read parts of the body, by rank: codes, standard body parts, then words."""
    standard = tuple(part for value in facts.body_parts for part in BODY_PARTS.get(value.strip().upper(), ()))
    coded = _parts_of(word.meaning for word in facts.procedures if word.scheme in STANDARD_SCHEMES)
    anatomy = tuple(part for region in facts.anatomic_regions for part in _parts_of_anatomy(region))
    words = _parts_of((facts.description, *(word.meaning for word in facts.procedures)))
    own = _parts_of(facts.body_parts)
    return (
        _Read("codes", coded),
        _Read("codes", tuple(dict.fromkeys(anatomy))),
        _Read("body_part", tuple(dict.fromkeys(standard))),
        _Read("words", words),
        _Read("words", own),
    )


def _parts_of_anatomy(region: Word) -> tuple[str, ...]:
    """Read an anatomic region by its code, else by what a standard scheme calls it."""
    known = ANATOMY.get(region.value)
    if known is not None and region.scheme in ANATOMY_SCHEMES:
        return (known,)
    return tuple(find_parts(region.meaning)) if region.scheme in STANDARD_SCHEMES else ()


def _parts_of(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for text in texts for part in find_parts(text)))


def _find_procedure(
    facts: StudyFacts, tables: Tables, meaning: Meaning, family: str, reads: tuple[_Read, ...]
) -> tuple[Procedure | None, str]:
    """Return the one procedure that is meant, and what said so; none where several could be."""
    named = tables.procedure(meaning.procedure_code) if meaning.procedure_code else None
    if named is not None:
        return named, "table"
    regions = set(meaning.body_regions)
    for read in reads:
        fitting = [
            procedure
            for procedure in tables.procedures
            if procedure.modality_family == family
            and not set(procedure.parts).isdisjoint(read.parts)
            and (not regions or not regions.isdisjoint(procedure.body_regions))
        ]
        if len(fitting) == 1:
            return fitting[0], read.basis
        if fitting:
            return None, "none"
    return _by_region(tables, family, regions)


def _by_region(tables: Tables, family: str, regions: set[str]) -> tuple[Procedure | None, str]:
    """Return the only procedure of a family in the regions that a table says."""
    fitting = [
        procedure
        for procedure in tables.procedures
        if regions and procedure.modality_family == family and set(procedure.body_regions) == regions
    ]
    return (fitting[0], "table") if len(fitting) == 1 else (None, "none")


def _regions_of(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(PART_REGIONS[part] for part in parts))


def _laterality_of(facts: StudyFacts) -> str:
    stated = {side.strip().upper() for side in facts.lateralities} & {"R", "L", "B"}
    if stated:
        return next(iter(stated)) if len(stated) == 1 else "B"
    return find_laterality(facts.description)


def _display(family: str, regions: tuple[str, ...], language: int) -> str:
    names = [REGION_NAMES[region][language] for region in dict.fromkeys(regions) if region in REGION_NAMES]
    return f"{family} {', '.join(names)}".strip() if names else ""


def _find_unmapped(facts: StudyFacts, tables: Tables) -> tuple[Word, ...]:
    return tuple(
        dict.fromkeys(
            word
            for word in facts.words
            if tables.find(facts.department_id, word) is None and not _is_understood(word)
        )
    )


def _is_understood(word: Word) -> bool:
    if word.kind == "body_part":
        return word.value.strip().upper() in BODY_PARTS or bool(find_parts(word.value))
    if word.kind == "description":
        return bool(find_parts(word.value))
    return False
