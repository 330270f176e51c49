"""Make the DICOM files of a planned study."""

from collections.abc import Iterator

from deploy.region.documents import build_manifest, build_pdf_report
from deploy.region.facts import Region, Study
from deploy.region.projections import build_clip, build_radiograph
from deploy.region.reports import build_report
from deploy.region.slices import SLICE_PROTOCOLS, build_slices

_BUILD_IMAGES = {
    "CT": build_slices,
    "MR": build_slices,
    "CR": build_radiograph,
    "DX": build_radiograph,
    "US": build_clip,
}


def build_study(region: Region, study: Study) -> Iterator[bytes]:
    """Build the PS3.10 files of a study in order: images, report, PDF, manifest; one at a time in memory."""
    references = []
    for reference, file in _BUILD_IMAGES[study.exam.modality](region, study):
        references.append(reference)
        yield file
    image_count = len(references)
    if study.reports:
        reference, file = build_report(region, study, references)
        references.append(reference)
        yield file
    if study.has_pdf:
        reference, file = build_pdf_report(region, study)
        references.append(reference)
        yield file
    if region.size.with_manifests:
        yield build_manifest(region, study, references, image_count)[1]


def count_instances(region: Region, study: Study) -> int:
    """Count the instances of a study without building them."""
    images = len(SLICE_PROTOCOLS.get(study.exam.kind, ())) * region.size.slices or 1
    return images + bool(study.reports) + study.has_pdf + region.size.with_manifests


def count_series(region: Region, study: Study) -> int:
    """Count the series of a study without building them."""
    image_series = len(SLICE_PROTOCOLS.get(study.exam.kind, ())) or 1
    return image_series + bool(study.reports) + study.has_pdf + region.size.with_manifests
