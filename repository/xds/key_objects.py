"""What the key objects of a study are titled, and what they say: the one kind of instance a manifest describes.

Standard: IHE RAD MADO 6.X.2.7 (Document Title, Key Object Description); PS3.16 TID 2010
"""

from collections.abc import Iterable
from dataclasses import replace

import orjson

from registry.manifest.codes import KEY_OBJECT_DESCRIPTION
from registry.manifest.json_values import Json, code_of, codes_of, items_of, text_of
from registry.manifest.kos import KEY_OBJECT_SELECTION
from registry.manifest.model import Code, InstanceContent, SeriesContent, StudyContent
from registry.models import Instance, Segment
from repository.metadata import SegmentsMoved, decompress

MAX_DESCRIBED = 500
"""Of a study with more key objects than this the others are listed without a title."""
LONGEST_DESCRIPTION = 1024


def describe_key_objects(content: StudyContent) -> StudyContent:
    """Return the study with the titles and descriptions of its key objects, as these say themselves.

    Raises
    ------
    SegmentsMoved
        They are being moved at this moment: try once more.
    """
    uids = [
        instance.sop_instance_uid
        for series in content.series
        for instance in series.instances
        if instance.sop_class_uid == KEY_OBJECT_SELECTION
    ]
    if not uids:
        return content
    found = _read_attributes(uids[:MAX_DESCRIBED])
    return replace(content, series=tuple(_describe_series(series, found) for series in content.series))


def _describe_series(series: SeriesContent, found: dict[str, Json]) -> SeriesContent:
    instances = (_describe(instance, found.get(instance.sop_instance_uid)) for instance in series.instances)
    return replace(series, instances=tuple(instances))


def _describe(instance: InstanceContent, attributes: Json | None) -> InstanceContent:
    if attributes is None:
        return instance
    titles = codes_of(attributes, "0040A043")
    title = Code(titles[0].value, titles[0].scheme, titles[0].meaning[:64]) if titles else None
    return replace(instance, title=title, description=_read_description(attributes))


def _read_description(attributes: Json) -> str:
    wanted = (KEY_OBJECT_DESCRIPTION.value, KEY_OBJECT_DESCRIPTION.scheme)
    for item in items_of(attributes, "0040A730"):
        concept = next(map(code_of, items_of(item, "0040A043")), None)
        if concept is not None and (concept.value, concept.scheme) == wanted:
            return text_of(item, "0040A160")[:LONGEST_DESCRIPTION].strip()
    return ""


def _read_attributes(uids: Iterable[str]) -> dict[str, Json]:
    rows = Instance.objects.filter(sop_instance_uid__in=uids)
    places = list(
        rows.values_list("sop_instance_uid", "segment_id", "metadata_offset", "metadata_length").order_by(
            "pk"
        )
    )
    segments = {segment for _, segment, _, _ in places}
    stored = Segment.objects.filter(pk__in=segments).values_list("pk", "metadata")
    documents = {pk: decompress(bytes(metadata)) for pk, metadata in stored}
    if len(documents) != len(segments):
        raise SegmentsMoved("the key objects are being moved")
    return {
        uid: orjson.loads(documents[segment][start : start + length])
        for uid, segment, start, length in places
    }
