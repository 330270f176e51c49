"""Map a word: look first at what would change, then keep it; past studies follow in batches."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from django.db.models import Q, QuerySet
from django.utils import timezone

from access import audit
from access.actor import Actor
from access.database import run_write
from registry.affinity_domain.rules import FAMILIES
from registry.harmonise.decide import KINDS, HarmonisedValues, Meaning, Tables, Word, WordKey, harmonise
from registry.harmonise.facts import read_facts
from registry.harmonise.tables import entry_of, read_tables
from registry.harmonise.vocabulary import REGION_NAMES
from registry.harmonise.words import fold_word
from registry.models import CodeMapping, Study, UnmappedWord

MAX_PREVIEWED = 20_000
BATCH = 500


class InvalidMapping(ValueError):
    """A mapping says something that is not of the region's vocabulary, or nothing."""


@dataclass(frozen=True, slots=True)
class MappingDraft:
    """A word of a source, or of every source without department, and what it is to mean."""

    department_id: int | None
    kind: str
    value: str
    scheme: str
    meaning: Meaning

    @property
    def key(self) -> WordKey:
        """The word as tables know it."""
        return self.department_id, self.kind, self.scheme, fold_word(self.value)


@dataclass(frozen=True, slots=True)
class Shift:
    """How many studies would go from one pair of displays to another."""

    before: HarmonisedValues
    after: HarmonisedValues
    studies: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What mapping a word would do; `is_partial` says that more studies have the word than were looked at."""

    with_word: int
    changed: int
    shifts: tuple[Shift, ...]
    is_partial: bool = False


def check_mapping(draft: MappingDraft, tables: Tables) -> None:
    """Hold a draft to the vocabulary.

    Raises
    ------
    InvalidMapping
        The message says what is wrong.
    """
    meaning = draft.meaning
    if draft.kind not in KINDS:
        raise InvalidMapping(f"unknown kind {draft.kind[:40]!r}; known are {', '.join(KINDS)}")
    if not fold_word(draft.value):
        raise InvalidMapping("the word is empty")
    if meaning == Meaning():
        raise InvalidMapping(
            "the mapping says nothing; choose a procedure, a region, a side or a modality family"
        )
    if meaning.procedure_code and tables.procedure(meaning.procedure_code) is None:
        raise InvalidMapping(
            f"unknown procedure {meaning.procedure_code[:40]!r}; it is not in the affinity domain"
        )
    if not set(meaning.body_regions) <= set(REGION_NAMES):
        raise InvalidMapping(f"unknown body region; known are {', '.join(REGION_NAMES)}")
    if meaning.laterality not in ("", "R", "L", "B", "U"):
        raise InvalidMapping("unknown laterality; known are R, L, B, U")
    if meaning.modality_family not in FAMILIES:
        raise InvalidMapping(f"unknown modality family; known are {', '.join(FAMILIES[1:])}")


def preview(draft: MappingDraft) -> Preview:
    """Say how many past studies would change, and from what to what; writes nothing."""
    before = read_tables()
    check_mapping(draft, before)
    after = replace(before, meanings={**before.meanings, draft.key: draft.meaning})
    shifts: Counter[tuple[HarmonisedValues, HarmonisedValues]] = Counter()
    with_word = 0
    keys = list(_studies_with(draft).order_by("-pk").values_list("pk", flat=True)[: MAX_PREVIEWED + 1])
    for start in range(0, min(len(keys), MAX_PREVIEWED), BATCH):
        for facts in read_facts(keys[start : min(start + BATCH, MAX_PREVIEWED)]).values():
            if not any(_is(word, draft) for word in facts.words):
                continue
            with_word += 1
            old, new = (_plain(harmonise(facts, tables)) for tables in (before, after))
            if old != new:
                shifts[old, new] += 1
    rows = tuple(Shift(old, new, count) for (old, new), count in shifts.most_common())
    return Preview(with_word, sum(shifts.values()), rows, len(keys) > MAX_PREVIEWED)


def apply_mapping(actor: Actor, draft: MappingDraft, *, door: str) -> CodeMapping:
    """Keep a mapping: an earlier one of the word ends and stays readable; the duty plans past studies anew."""
    check_mapping(draft, read_tables())
    department_id, kind, scheme, value = draft.key

    def write() -> CodeMapping:
        now = timezone.now()
        same = CodeMapping.objects.filter(
            department=department_id, kind=kind, scheme=scheme, value=value, ended_at=None
        )
        replaced = [row.pk for row in same]
        same.update(ended_at=now)
        row = CodeMapping.objects.create(
            department_id=department_id, kind=kind, scheme=scheme, value=value,
            modality_family=draft.meaning.modality_family, body_regions=list(draft.meaning.body_regions),
            laterality=draft.meaning.laterality, procedure_code=draft.meaning.procedure_code,
            made_at=now, made_by=actor.subject[:200],
        )  # fmt: skip
        words = UnmappedWord.objects.filter(kind=kind, scheme=scheme, value=value, settled_at=None)
        (words.filter(department=department_id) if department_id else words).update(settled_at=now)
        detail = {"mapping": row.pk, "replaced": replaced, "kind": kind, "scheme": scheme}
        audit.record(actor, "map_code", door=door, detail=detail)
        return row

    return run_write(write)


def end_mapping(actor: Actor, row: CodeMapping, *, door: str) -> None:
    """End a mapping; past studies are planned anew without it."""

    def write() -> None:
        CodeMapping.objects.filter(pk=row.pk, ended_at=None).update(ended_at=timezone.now())
        audit.record(actor, "unmap_code", door=door, detail={"mapping": row.pk})

    run_write(write)


def meaning_of(row: CodeMapping) -> Meaning:
    """Return what a row says."""
    return entry_of(row)[1]


def _studies_with(draft: MappingDraft) -> QuerySet[Study]:
    """Return the studies that may have a word: by the spellings that are there and fold to it."""
    owned = Q() if draft.department_id is None else Q(custodian=draft.department_id)
    rows = Study.objects.filter(owned)
    value = draft.key[3]
    if draft.kind == "description":
        return rows.filter(study_description__in=list(_spellings(rows, "study_description", value)))
    if draft.kind == "body_part":
        parts = list(_spellings(rows, "series__body_part_examined", value))
        return rows.filter(series__body_part_examined__in=parts).distinct()
    return rows.exclude(procedure_code_sequence=[])


def _spellings(rows: QuerySet[Study], column: str, value: str) -> Iterator[str]:
    for text in rows.order_by().values_list(column, flat=True).distinct():
        if text and fold_word(text) == value:
            yield text


def _is(word: Word, draft: MappingDraft) -> bool:
    return (word.kind, word.scheme, word.folded) == draft.key[1:]


def _plain(values: HarmonisedValues) -> HarmonisedValues:
    return replace(values, unmapped=(), basis="none")
