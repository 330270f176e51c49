"""Figures of what lies on disk, for `doctor`: how much, how scattered, how sound."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Sum

from deploy.storage_place import ObjectsPlace, look_at_objects
from registry.models import Instance, RemovedInstance, Segment, Study
from repository.journal.duty import find_advance
from repository.models import Damage, JournalHead, Pack
from repository.sweep import lost_packs

WORST = 10
NAMED_DAMAGES = 20


@dataclass(frozen=True, slots=True)
class Scattered:
    """A series that lies in many segments."""

    series_instance_uid: str
    segments: int


@dataclass(frozen=True, slots=True)
class StorageFigures:
    """What `doctor` says of the storage; sizes in bytes, `advance` is a journal file that the database never knew."""

    studies: int
    instances: int
    removed: int
    live_packs: int
    live_bytes: int
    condemned_packs: int
    condemned_bytes: int
    lost_packs: int
    never_scrubbed: int
    oldest_scrub_at: datetime | None
    damages: int
    scattered: tuple[Scattered, ...]
    journal_files: int
    journal_at: datetime | None
    advance: str | None
    place: ObjectsPlace


def read_figures() -> StorageFigures:
    """Read the figures; counts of a few tables, nothing of the packs themselves."""
    live = Pack.objects.filter(state=Pack.LIVE)
    condemned = Pack.objects.filter(state=Pack.CONDEMNED)
    head = JournalHead.objects.first()
    place = look_at_objects()
    return StorageFigures(
        studies=Study.objects.filter(number_of_study_related_instances__gt=0).count(),
        instances=Instance.objects.count(),
        removed=RemovedInstance.objects.filter(state=RemovedInstance.HIDDEN).count(),
        live_packs=live.count(),
        live_bytes=live.aggregate(total=Sum("size_bytes"))["total"] or 0,
        condemned_packs=condemned.count(),
        condemned_bytes=condemned.aggregate(total=Sum("size_bytes"))["total"] or 0,
        lost_packs=len(lost_packs()) if place.can_be_read else 0,
        never_scrubbed=live.filter(last_scrubbed_at=None).count(),
        oldest_scrub_at=live.aggregate(oldest=Min("last_scrubbed_at"))["oldest"],
        damages=Damage.objects.filter(mended_at=None).count(),
        scattered=_find_scattered(),
        journal_files=head.sequence if head else 0,
        journal_at=head.written_at if head else None,
        advance=find_advance() if place.can_be_read else None,
        place=place,
    )


def describe(figures: StorageFigures) -> Iterator[str]:
    """Yield the figures as lines."""
    yield f"objects: {figures.place.where}"
    yield f"studies {figures.studies}, instances {figures.instances}, removed and recoverable {figures.removed}"
    yield (
        f"packs {figures.live_packs}, {_mebibytes(figures.live_bytes)};"
        f" condemned and waiting {figures.condemned_packs}, {_mebibytes(figures.condemned_bytes)};"
        f" lost {figures.lost_packs}"
    )
    seen = f"{figures.oldest_scrub_at:%Y-%m-%d}" if figures.oldest_scrub_at else "never"
    yield f"scrub: oldest {seen}, packs never scrubbed {figures.never_scrubbed}, damage {figures.damages}"
    written = f"{figures.journal_at:%Y-%m-%d %H:%M}" if figures.journal_at else "never"
    yield f"journal: {figures.journal_files} files, last written {written}"
    if figures.scattered:
        yield "most scattered series (segments): " + ", ".join(
            f"{one.series_instance_uid} ({one.segments})" for one in figures.scattered
        )
    yield _describe_encryption(figures.place)


def describe_damages() -> Iterator[str]:
    """Yield a line for each damaged instance, a limited number of them."""
    rows = Damage.objects.filter(mended_at=None).order_by("pack_key", "sop_instance_uid")
    for row in rows[:NAMED_DAMAGES]:
        yield (
            f"damage in {row.pack_key}: instance {row.sop_instance_uid or 'unknown'}"
            f" of study {row.study_instance_uid or 'unknown'}: {row.detail}"
        )
    if len(rows) > NAMED_DAMAGES:
        yield f"and {len(rows) - NAMED_DAMAGES} more: manage.py scrub names them all"


def _describe_encryption(place: ObjectsPlace) -> str:
    holder = "bucket" if place.is_bucket else "volume"
    if place.encryption:
        return f"encryption at rest: the {holder} of the objects is encrypted ({place.encryption})"
    return f"encryption at rest: the {holder} of the objects is not known to be encrypted; it is the {holder}'s duty"


def _find_scattered() -> tuple[Scattered, ...]:
    rows = Segment.objects.filter(emptied_at=None).values("series__series_instance_uid")
    counted = rows.annotate(segments=Count("pk")).filter(segments__gt=1).order_by("-segments")[:WORST]
    return tuple(Scattered(row["series__series_instance_uid"], row["segments"]) for row in counted)


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"
