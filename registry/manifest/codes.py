"""Codes of manifests, and how DICOM and FHIR name the same scheme.

The codes of MADO are temporary until DICOM has numbers for all: which are written is said by a `Dialect`, read
are both.

Standard: PS3.16 TID 2010, TID 1600; IHE RAD MADO 6.X.2
"""

from dataclasses import dataclass
from urllib.parse import quote, unquote

from registry.identity import is_oid
from registry.manifest.model import Code

MANIFEST = Code("113030", "DCM", "Manifest")
MODALITY = Code("121139", "DCM", "Modality")
TARGET_REGION = Code("123014", "DCM", "Target Region")
PROCEDURE_CODE = Code("121023", "DCM", "Procedure Code")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")
SERIES_NUMBER = Code("113607", "DCM", "Series Number")
SERIES_INSTANCE_UID = Code("112002", "DCM", "Series Instance UID")
NUMBER_OF_FRAMES = Code("121140", "DCM", "Number of Frames")
INSTANCE_NUMBER = Code("113609", "DCM", "Instance Number")
DOCUMENT_TITLE = Code("121144", "DCM", "Document Title")
KEY_OBJECT_DESCRIPTION = Code("113012", "DCM", "Key Object Description")
ENTIRE_BODY = Code("38266002", "SCT", "Entire body as a whole")

REGIONS = {
    code.value: code
    for code in (
        Code("63337009", "SCT", "Lower trunk"),
        ENTIRE_BODY,
        Code("53120007", "SCT", "Upper limb"),
        Code("61685007", "SCT", "Lower limb"),
        Code("67734004", "SCT", "Upper trunk"),
        Code("774007", "SCT", "Head and neck"),
        Code("113257007", "SCT", "Cardiovascular system"),
        Code("80891009", "SCT", "Heart"),
        Code("76752008", "SCT", "Breast"),
        Code("1141981001", "SCT", "Vertebral column"),
    )
}
"""The ten regions that a study may be of."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which codes are written where the standard has an older and a newer one."""

    title: Code
    series_description: Code
    series_date: Code
    series_time: Code
    number_of_series_instances: Code
    number_of_study_series: Code


TEMPORARY = Dialect(
    title=Code("MADOTEMP001", "99IHE", "Manifest with Description"),
    series_description=Code("MADOTEMP002", "99IHE", "Series Description"),
    series_date=Code("MADOTEMP003", "99IHE", "Series Date"),
    series_time=Code("MADOTEMP004", "99IHE", "Series Time"),
    number_of_series_instances=Code("MADOTEMP007", "99IHE", "Number of Series Related Instances"),
    number_of_study_series=Code("MADOTEMP009", "99IHE", "Number of Study Related Series"),
)
PERMANENT = Dialect(
    title=TEMPORARY.title,  # DICOM has given it no number yet
    series_description=Code("131563", "DCM", "Series Description"),
    series_date=Code("131561", "DCM", "Series Date"),
    series_time=Code("131562", "DCM", "Series Time"),
    number_of_series_instances=Code("131564", "DCM", "Number of Series Related Instances"),
    number_of_study_series=Code("131565", "DCM", "Number of Study Related Series"),
)
DIALECTS = {"temporary": TEMPORARY, "permanent": PERMANENT}

_SYSTEMS = {
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
}
_SCHEMES = {system: scheme for scheme, system in _SYSTEMS.items()} | {"urn:oid:1.2.840.10008.2.16.4": "DCM"}
_OWN = "urn:samsyn:scheme:"


def system_of_scheme(scheme: str) -> str:
    """Return the FHIR system of a coding scheme designator; a local one is marked as its place's own."""
    if scheme in _SYSTEMS or not scheme:
        return _SYSTEMS.get(scheme, "")
    if is_oid(scheme):
        return f"urn:oid:{scheme}"
    return scheme if "://" in scheme else f"{_OWN}{quote(scheme, safe='')}"


def scheme_of_system(system: str) -> str:
    """Return the coding scheme designator of a FHIR system; one that has none is its own."""
    if system.startswith(_OWN):
        return unquote(system.removeprefix(_OWN))
    return _SCHEMES.get(system, system.removeprefix("urn:oid:"))
