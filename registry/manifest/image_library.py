"""The image library of a MADO manifest: what each series and instance is.

Standard: PS3.16 TID 1600; IHE RAD MADO 6.X.2.7
"""

from registry.manifest import codes
from registry.manifest.codes import Dialect
from registry.manifest.items import (
    write_code_item,
    write_container,
    write_date_item,
    write_number_item,
    write_reference_item,
    write_text_item,
    write_time_item,
    write_uid_item,
)
from registry.manifest.model import Code, InstanceContent, SeriesContent, StudyContent

_CONTEXT = "HAS ACQ CONTEXT"


def write_library(content: StudyContent, dialect: Dialect) -> bytes:
    """Return the container with modalities, regions and the groups of the series."""
    items = [_write_modality(modality) for modality in content.modalities]
    items += [write_code_item(_CONTEXT, codes.TARGET_REGION, region) for region in content.regions]
    items.append(write_number_item(dialect.number_of_study_series, len(content.series), "{series}"))
    items += [_write_group(series, dialect) for series in content.series]
    return write_container(codes.IMAGE_LIBRARY, items)


def _write_group(series: SeriesContent, dialect: Dialect) -> bytes:
    items = [_write_modality(series.modality)] if series.modality else []
    if series.date:
        items.append(write_date_item(dialect.series_date, series.date))
    if series.time:
        items.append(write_time_item(dialect.series_time, series.time))
    if series.description:
        items.append(write_text_item(dialect.series_description, series.description))
    if series.series_number is not None:
        items.append(write_text_item(codes.SERIES_NUMBER, str(series.series_number)))
    if series.region:
        items.append(write_code_item(_CONTEXT, codes.TARGET_REGION, series.region))
    items.append(write_uid_item(codes.SERIES_INSTANCE_UID, series.series_instance_uid))
    count = len(series.instances)
    items.append(write_number_item(dialect.number_of_series_instances, count, "{instances}"))
    items += [write_reference_item(instance, _describe(instance)) for instance in series.instances]
    return write_container(codes.IMAGE_LIBRARY_GROUP, items)


def _write_modality(modality: str) -> bytes:
    return write_code_item(_CONTEXT, codes.MODALITY, Code(modality, "DCM", modality))


def _describe(instance: InstanceContent) -> list[bytes]:
    items = []
    if instance.number_of_frames is not None:
        items.append(write_number_item(codes.NUMBER_OF_FRAMES, instance.number_of_frames, "{frames}"))
    if instance.instance_number is not None:
        items.append(write_text_item(codes.INSTANCE_NUMBER, str(instance.instance_number)))
    if instance.title:
        items.append(write_code_item(_CONTEXT, codes.DOCUMENT_TITLE, instance.title))
    if instance.description:
        items.append(write_text_item(codes.KEY_OBJECT_DESCRIPTION, instance.description))
    return items
