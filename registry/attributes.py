"""The one table of indexed attributes: tag, VR, level, matching type, column.

Search matches by it, the QIDO answers are rendered by it, registration fills the columns by it.
`answer` says when an attribute is in an answer: `default` always, `include` on request.

Standard: PS3.18 10.6.3.3 (tables 10.6.3-3, -4, -5), PS3.4 C.2.2.2
"""

from dataclasses import dataclass
from typing import Literal

Level = Literal["study", "series", "instance"]
Matching = Literal["uid", "text", "name", "date", "time", "number", "modalities", "uids", "sequence", "none"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of one level.

    Parameters
    ----------
    tag : str
        Eight hexadecimal digits, upper case.
    keyword, vr : str
        As in PS3.6.
    matching : str
        How a key compares: `text` and `name` take wildcards, `date` and `time` take ranges.
    column : str
        Column of the level's model, for names beside one with `_folded` at its end that matching compares
        with; empty when the value is computed in the answer.
    """

    tag: str
    keyword: str
    vr: str
    level: Level
    matching: Matching
    column: str
    answer: Literal["default", "include"] = "default"


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("00080020", "StudyDate", "DA", "study", "date", "study_date"),
    Attribute("00080030", "StudyTime", "TM", "study", "time", "study_time"),
    Attribute("00080050", "AccessionNumber", "SH", "study", "text", "accession_number"),
    Attribute("00080056", "InstanceAvailability", "CS", "study", "none", ""),
    Attribute("00080061", "ModalitiesInStudy", "CS", "study", "modalities", "modalities_in_study"),
    Attribute("00080062", "SOPClassesInStudy", "UI", "study", "uids", "sop_classes_in_study", "include"),
    Attribute("00080080", "InstitutionName", "LO", "study", "text", "institution_name", "include"),
    Attribute("00080090", "ReferringPhysicianName", "PN", "study", "name", "referring_physician_name"),
    Attribute("00080201", "TimezoneOffsetFromUTC", "SH", "study", "none", "timezone_offset_from_utc"),
    Attribute("00081030", "StudyDescription", "LO", "study", "text", "study_description"),
    Attribute(
        "00081032", "ProcedureCodeSequence", "SQ", "study", "sequence", "procedure_code_sequence", "include"
    ),
    Attribute("00081190", "RetrieveURL", "UR", "study", "none", ""),
    Attribute("00100010", "PatientName", "PN", "study", "name", "patient_name"),
    Attribute("00100020", "PatientID", "LO", "study", "text", "patient_id"),
    Attribute("00100021", "IssuerOfPatientID", "LO", "study", "text", "issuer_of_patient_id", "include"),
    Attribute("00100030", "PatientBirthDate", "DA", "study", "date", "patient_birth_date"),
    Attribute("00100040", "PatientSex", "CS", "study", "text", "patient_sex"),
    Attribute("0020000D", "StudyInstanceUID", "UI", "study", "uid", "study_instance_uid"),
    Attribute("00200010", "StudyID", "SH", "study", "text", "study_id"),
    Attribute(
        "00201206", "NumberOfStudyRelatedSeries", "IS", "study", "number", "number_of_study_related_series"
    ),
    Attribute(
        "00201208",
        "NumberOfStudyRelatedInstances",
        "IS",
        "study",
        "number",
        "number_of_study_related_instances",
    ),
    Attribute("00080021", "SeriesDate", "DA", "series", "date", "series_date", "include"),
    Attribute("00080031", "SeriesTime", "TM", "series", "time", "series_time", "include"),
    Attribute("00080060", "Modality", "CS", "series", "text", "modality"),
    Attribute("00080070", "Manufacturer", "LO", "series", "text", "manufacturer", "include"),
    Attribute("00080080", "InstitutionName", "LO", "series", "text", "institution_name", "include"),
    Attribute("00081010", "StationName", "SH", "series", "text", "station_name", "include"),
    Attribute("0008103E", "SeriesDescription", "LO", "series", "text", "series_description"),
    Attribute("00081190", "RetrieveURL", "UR", "series", "none", ""),
    Attribute("00180015", "BodyPartExamined", "CS", "series", "text", "body_part_examined", "include"),
    Attribute("0020000E", "SeriesInstanceUID", "UI", "series", "uid", "series_instance_uid"),
    Attribute("00200011", "SeriesNumber", "IS", "series", "number", "series_number"),
    Attribute("00200060", "Laterality", "CS", "series", "text", "laterality", "include"),
    Attribute(
        "00201209",
        "NumberOfSeriesRelatedInstances",
        "IS",
        "series",
        "number",
        "number_of_series_related_instances",
    ),
    Attribute(
        "00400244",
        "PerformedProcedureStepStartDate",
        "DA",
        "series",
        "date",
        "performed_procedure_step_start_date",
    ),
    Attribute(
        "00400245",
        "PerformedProcedureStepStartTime",
        "TM",
        "series",
        "time",
        "performed_procedure_step_start_time",
    ),
    Attribute(
        "00400275", "RequestAttributesSequence", "SQ", "series", "sequence", "request_attributes_sequence"
    ),
    Attribute("00080016", "SOPClassUID", "UI", "instance", "uid", "sop_class_uid"),
    Attribute("00080018", "SOPInstanceUID", "UI", "instance", "uid", "sop_instance_uid"),
    Attribute("00080056", "InstanceAvailability", "CS", "instance", "none", ""),
    Attribute("00080201", "TimezoneOffsetFromUTC", "SH", "instance", "none", "timezone_offset_from_utc"),
    Attribute("00081190", "RetrieveURL", "UR", "instance", "none", ""),
    Attribute(
        "00083002", "AvailableTransferSyntaxUID", "UI", "instance", "uid", "transfer_syntax_uid", "include"
    ),
    Attribute("00200013", "InstanceNumber", "IS", "instance", "number", "instance_number"),
    Attribute("00280008", "NumberOfFrames", "IS", "instance", "number", "number_of_frames"),
    Attribute("00280010", "Rows", "US", "instance", "number", "rows"),
    Attribute("00280011", "Columns", "US", "instance", "number", "columns"),
    Attribute("00280100", "BitsAllocated", "US", "instance", "number", "bits_allocated"),
)


_STORED_OF_STUDIES = (
    "00080051 00081048 00081060 00081080 00081084 00081110 00100022 00100024 00100032 00101001 00101002 00101010 "
    "00101020 00101030 00102160 00102180 001021A0 001021B0 001021C0 001021D0 00104000 00120062 00120063 00321032 "
    "00321033 00321060 00321064 00380010 00380060 00401012"
)
_STORED_OF_SERIES = (
    "00080068 0008103F 00081040 00081050 00081070 00081090 00081111 00181000 00181020 00181030 00185100 00200052 "
    "00201040 00400250 00400251 00400253 00400254 00400260"
)
STORED: dict[Level, frozenset[str]] = {
    "study": frozenset(_STORED_OF_STUDIES.split()),
    "series": frozenset(_STORED_OF_SERIES.split()),
}
"""Tags beyond the table that an answer can include from the metadata of a first instance.

Standard: PS3.3 C.7.1.1, C.7.2.1, C.7.2.2, C.7.3.1, C.7.4.1, C.7.5.1
"""


def attributes_of(level: Level) -> tuple[Attribute, ...]:
    """Return the attributes of one level in tag order."""
    return _BY_LEVEL[level]


def find_attribute(level: Level, key: str) -> Attribute | None:
    """Find an attribute of a level by its tag (eight hex digits, any case) or keyword."""
    return _BY_KEY.get((level, key)) or _BY_KEY.get((level, key.upper()))


_LEVELS: tuple[Level, ...] = ("study", "series", "instance")
_BY_LEVEL: dict[Level, tuple[Attribute, ...]] = {
    level: tuple(sorted((a for a in ATTRIBUTES if a.level == level), key=lambda a: a.tag))
    for level in _LEVELS
}
_BY_KEY = {(a.level, key): a for a in ATTRIBUTES for key in (a.tag, a.keyword)}
