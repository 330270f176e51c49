"""Rejection notes that we make: key objects whose title says that what they refer to is not to be used.

Standard: IHE RAD TF-3 4.66; PS3.3 A.35.4; PS3.16 TID 2010, CID 7011
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from pydicom.dataset import Dataset

from registry.models import Study
from registry.rejection_note import KEY_OBJECT_SELECTION
from registry.removed import Code
from repository.delivery.contents.made_files import (
    MadeInstance,
    describe_study,
    make_code,
    set_content_time,
    write_made,
)
from repository.delivery.contents.report_uids import note_series_uid

SERIES_NUMBER = 9902


@dataclass(frozen=True, slots=True)
class Rejected:
    """One instance that a note refers to."""

    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    is_image: bool = True


def make_note(
    study: Study,
    sop_instance_uid: str,
    code: Code,
    rejected: Sequence[Rejected],
    made_at: datetime,
    number: int,
) -> MadeInstance:
    """Make the note that rejects instances of a study; `number` tells it from others about the same study."""
    data = describe_study(study)
    data.SOPClassUID, data.SOPInstanceUID = KEY_OBJECT_SELECTION, sop_instance_uid
    data.SeriesInstanceUID, data.SeriesNumber = note_series_uid(study.study_instance_uid), SERIES_NUMBER
    data.Modality, data.SeriesDescription = "KO", code.code_meaning[:64]
    data.InstanceNumber = number
    data.ReferencedPerformedProcedureStepSequence = []
    set_content_time(data, made_at)
    data.ValueType, data.ContinuityOfContent = "CONTAINER", "SEPARATE"
    title = make_code(code.code_value, code.coding_scheme_designator, code.code_meaning)
    data.ConceptNameCodeSequence = [title]
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    data.ContentTemplateSequence = [template]
    data.CurrentRequestedProcedureEvidenceSequence = [_write_evidence(study, rejected)]
    data.ContentSequence = [_write_content(each) for each in rejected]
    return write_made(data)


def _write_evidence(study: Study, rejected: Iterable[Rejected]) -> Dataset:
    evidence = Dataset()
    evidence.StudyInstanceUID = study.study_instance_uid
    evidence.ReferencedSeriesSequence = []
    in_order = sorted(rejected, key=lambda each: each.series_instance_uid)
    for uid, members in groupby(in_order, key=lambda each: each.series_instance_uid):
        series = Dataset()
        series.SeriesInstanceUID = uid
        series.ReferencedSOPSequence = [_refer(each) for each in members]
        evidence.ReferencedSeriesSequence.append(series)
    return evidence


def _write_content(rejected: Rejected) -> Dataset:
    item = Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = "IMAGE" if rejected.is_image else "COMPOSITE"
    item.ReferencedSOPSequence = [_refer(rejected)]
    return item


def _refer(rejected: Rejected) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = rejected.sop_class_uid
    item.ReferencedSOPInstanceUID = rejected.sop_instance_uid
    return item
