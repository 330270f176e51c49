"""The tables in force: what the affinity domain says, and what was mapped since, which wins."""

import hashlib
from collections.abc import Iterable

from access.models import Department
from registry.affinity import Affinity, affinity
from registry.harmonise.decide import Meaning, Tables, WordKey
from registry.harmonise.vocabulary import VOCABULARY_VERSION
from registry.harmonise.words import fold_word
from registry.models import CodeMapping

Entry = tuple[WordKey, Meaning]


def read_tables() -> Tables:
    """Read the tables: two queries."""
    domain = affinity()
    owners = {mapping.department for mapping in domain.mappings if mapping.department}
    ids = dict(Department.objects.filter(hsa_id__in=owners).values_list("hsa_id", "pk")) if owners else {}
    rows = CodeMapping.objects.filter(ended_at=None).order_by("pk")
    return tables_of(domain, [entry_of(row) for row in rows], ids)


def tables_of(domain: Affinity, mapped: Iterable[Entry], ids: dict[str, int] | None = None) -> Tables:
    """Make tables of a domain and of what was mapped; a domain's department that is not known is left out.

    The version is a number of 31 bits made from all that the tables say.
    """
    known = ids or {}
    meanings: dict[WordKey, Meaning] = {}
    for item in domain.mappings:
        if item.department and item.department not in known:
            continue
        key = (known.get(item.department), item.kind, item.scheme, fold_word(item.value))
        meaning = Meaning(item.modality_family, item.body_regions, item.laterality, item.procedure_code)
        meanings[key] = meaning
    meanings.update(mapped)
    said = (
        VOCABULARY_VERSION,
        domain.procedure_scheme,
        domain.procedures,
        sorted(map(repr, meanings.items())),
    )
    digest = hashlib.sha256(repr(said).encode()).digest()
    version = int.from_bytes(digest[:4], "big") >> 1
    return Tables(domain.procedure_scheme, domain.procedures, meanings, version)


def entry_of(row: CodeMapping) -> Entry:
    """Return what a row says."""
    key = (row.department_id, row.kind, row.scheme, row.value)
    regions = tuple(row.body_regions)
    return key, Meaning(row.modality_family, regions, row.laterality, row.procedure_code)
