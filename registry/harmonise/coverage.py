"""How much of each source is understood: a few counts for the page and the monitoring."""

from dataclasses import dataclass

from django.db.models import Count, Q

from registry.models import Harmonised, UnmappedWord

FOUND = ("table", "codes", "body_part", "words")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of a source's studies: how many have a regional procedure, a body region, and what decided them."""

    department_id: int | None
    hsa_id: str
    name: str
    hospital: str
    studies: int
    with_procedure: int
    with_region: int
    by_basis: tuple[tuple[str, int], ...]
    open_words: int

    @property
    def procedure_percent(self) -> int:
        """The share with a procedure, rounded down."""
        return self.with_procedure * 100 // self.studies if self.studies else 0

    @property
    def region_percent(self) -> int:
        """The share with a body region, rounded down."""
        return self.with_region * 100 // self.studies if self.studies else 0


def read_coverage() -> tuple[Coverage, ...]:
    """Count by source: two grouped queries."""
    counts = {basis: Count("pk", filter=Q(basis=basis)) for basis in FOUND}
    names = ("study__custodian_id", "study__custodian__hsa_id", "study__custodian__name")
    rows = Harmonised.objects.order_by().values(*names, "study__custodian__unit__name")
    counted = rows.annotate(
        studies=Count("pk"),
        procedures=Count("pk", filter=~Q(procedure_code="")),
        regions=Count("pk", filter=~Q(body_regions=[])),
        **counts,
    )
    words = UnmappedWord.objects.filter(settled_at=None).order_by().values_list("department_id")
    waiting = dict(words.annotate(total=Count("pk")))
    found = (
        Coverage(
            department_id=row["study__custodian_id"],
            hsa_id=row["study__custodian__hsa_id"] or "",
            name=row["study__custodian__name"] or "",
            hospital=row["study__custodian__unit__name"] or "",
            studies=row["studies"],
            with_procedure=row["procedures"],
            with_region=row["regions"],
            by_basis=tuple((basis, row[basis]) for basis in FOUND),
            open_words=waiting.get(row["study__custodian_id"], 0),
        )
        for row in counted
    )
    return tuple(sorted(found, key=lambda one: (one.hospital, one.name)))
