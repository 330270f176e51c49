"""Attributes that searches do not keep, taken from the metadata of what was found.

Of a study or series they are those of its first instance.

Standard: PS3.18 8.3.4.3, 10.6.3.3
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
from django.db.models import OuterRef, QuerySet, Subquery
from pydicom.datadict import dictionary_VR

from registry.attributes import Level
from registry.models import Instance, Segment, Series, Study
from registry.wire.dicom_json import absolute_bulk_data_uris
from repository.metadata import PLANS_AT_MOST, SegmentsMoved, decompress

Elements = dict[str, Any]
Place = tuple[int, int, int]
"""Segment, first byte in its document, number of bytes."""


def add_stored(
    rows: Iterable[bytes], level: Level, keys: Sequence[int], tags: Collection[str], origin: str
) -> Iterator[bytes]:
    """Yield the rendered rows with these attributes of what they stand for; what is absent there is empty.

    Parameters
    ----------
    keys : sequence of int
        Primary keys of the rows, in their order.
    origin : str
        What server-relative BulkDataURIs begin with.

    Raises
    ------
    SegmentsMoved
        Instances are moved or removed all the time.
    """
    places, documents = _read(level, keys)
    for key, row in zip(keys, rows, strict=True):
        elements = orjson.loads(row)
        elements.update(_pick(places.get(key), documents, tags, origin))
        yield orjson.dumps(elements, option=orjson.OPT_SORT_KEYS)


def _read(level: Level, keys: Sequence[int]) -> tuple[dict[int, Place], dict[int, bytes]]:
    for _ in range(PLANS_AT_MOST):
        places = _find_places(level, keys)
        segments = {segment for segment, _, _ in places.values()}
        rows = Segment.objects.filter(pk__in=segments).values_list("pk", "metadata")
        documents = {pk: decompress(bytes(metadata)) for pk, metadata in rows}
        if len(documents) == len(segments):
            return places, documents
    raise SegmentsMoved("the instances are being moved; send the request again")


def _find_places(level: Level, keys: Sequence[int]) -> dict[int, Place]:
    """Return where the metadata of each row's first instance lies."""
    firsts = _first_instances(level, keys)
    rows = Instance.objects.filter(pk__in=set(firsts.values()))
    found = {pk: (segment, start, length) for pk, segment, start, length in rows.values_list(*_PLACE)}
    return {key: found[first] for key, first in firsts.items() if first in found}


_PLACE = ("pk", "segment_id", "metadata_offset", "metadata_length")


def _first_instances(level: Level, keys: Sequence[int]) -> dict[int, int]:
    if level == "instance":
        return {key: key for key in keys}
    if level == "series":
        instances = Instance.objects.filter(series=OuterRef("pk")).order_by("instance_number", "pk")
        return _first_of(Series.objects.filter(pk__in=keys), instances)
    series = Series.objects.filter(study=OuterRef("pk"), number_of_series_related_instances__gt=0)
    of_study = _first_of(Study.objects.filter(pk__in=keys), series.order_by("series_number", "pk"))
    of_series = _first_instances("series", list(of_study.values()))
    return {key: of_series[first] for key, first in of_study.items() if first in of_series}


def _first_of(rows: QuerySet[Any], below: QuerySet[Any]) -> dict[int, int]:
    firsts = rows.annotate(first=Subquery(below.values("pk")[:1])).values_list("pk", "first")
    return {key: first for key, first in firsts if first is not None}


def _pick(
    place: Place | None, documents: Mapping[int, bytes], tags: Collection[str], origin: str
) -> Elements:
    elements: Elements = {tag: {"vr": str(dictionary_VR(int(tag, 16))).split()[0]} for tag in tags}
    if place is not None:
        segment, start, length = place
        text = absolute_bulk_data_uris(documents[segment][start : start + length], origin)
        stored = orjson.loads(text)
        elements.update((tag, stored[tag]) for tag in tags if tag in stored)
    return elements
