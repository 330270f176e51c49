"""Series that were stored before their coded anatomic region had a column: it is read from their metadata, once.

By key, a batch at a time, up to the last series that was there when it began: what came since has it already. Values of
the studies are decided anew, and whoever publishes them hears of it.
"""

from itertools import islice

import orjson
from django.db.models import Max

from access.database import run_write
from registry import changes
from registry.facts import series_facts
from registry.harmonise.duty import write_values
from registry.harmonise.tables import read_tables
from registry.models import ChangeCursor, Instance, RemovedInstance, Segment, Series, Study
from repository.metadata import decompress_in_pieces

READER, END = "coded-regions", "coded-regions-end"
CHUNK = 100
BATCHES_AT_ONCE = 10


def fill_regions() -> int:
    """Look at some of what is left; a duty. Returns how many series were looked at, 0 once all were."""
    return sum(islice(iter(fill_batch, 0), BATCHES_AT_ONCE))


def fill_batch(limit: int = CHUNK) -> int:
    """Look at the next series without a region; returns how many, 0 at the end. Two may run at the same time."""
    start, end = _read_cursors()
    if start >= end:
        return 0
    rows = Series.objects.filter(pk__gt=start, pk__lte=end, anatomic_region_sequence=[])
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
    found = {key: regions for key in keys if (regions := _read_regions(key))}
    reached = keys[-1] if len(keys) == limit else end
    run_write(lambda: _write(start, reached, found))
    return len(keys)


def _read_cursors() -> tuple[int, int]:
    """Return how far this has come, and how far it goes: set at the very first look."""
    marks = dict(ChangeCursor.objects.filter(reader__in=(READER, END)).values_list("reader", "position"))
    if len(marks) < 2:
        last = Series.objects.aggregate(last=Max("pk"))["last"] or 0
        ChangeCursor.objects.get_or_create(reader=END, defaults={"position": last})
        ChangeCursor.objects.get_or_create(reader=READER)
        marks = dict(ChangeCursor.objects.filter(reader__in=(READER, END)).values_list("reader", "position"))
    return marks[READER], marks[END]


def _read_regions(series_id: int) -> list[dict[str, object]]:
    """Return what the first instance of a series says, as a store takes it; hidden ones count where none is left."""
    for model in (Instance, RemovedInstance):
        rows = model._default_manager.filter(series=series_id, segment__isnull=False).order_by("pk")
        columns = ("segment_id", "metadata_offset", "metadata_length")
        first = rows.values_list(*columns).first()
        if first is not None:
            return series_facts(orjson.loads(_read_document(*first))).anatomic_region_sequence
    return []


def _read_document(segment_id: int, offset: int, length: int) -> bytes:
    """Return one instance of a metadata document, which is unpacked no further than there."""
    document = bytearray()
    for piece in decompress_in_pieces(
        bytes(Segment.objects.values_list("metadata", flat=True).get(pk=segment_id))
    ):
        document += piece
        if len(document) >= offset + length:
            break
    return bytes(document[offset : offset + length])


def _write(start: int, reached: int, found: dict[int, list[dict[str, object]]]) -> None:
    # Moving the cursor first makes it the lock: of two that looked at the same series the second writes nothing.
    if not ChangeCursor.objects.filter(reader=READER, position=start).update(position=reached):
        return
    for key, regions in found.items():
        Series.objects.filter(pk=key).update(anatomic_region_sequence=regions)
    studies = Study.objects.filter(series__in=found).distinct().order_by("pk")
    quiet = studies.filter(quiet_due_at=None, number_of_study_related_instances__gt=0)
    write_values(list(quiet.values_list("pk", flat=True)), read_tables())
    for uid in studies.values_list("study_instance_uid", flat=True):
        changes.append("harmonised", uid)
