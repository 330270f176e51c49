"""What registration needs of a data set, taken out of its DICOM JSON once and small enough to keep.

Text columns are cut to their length here, the same on both databases.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from registry.identity import Demographics, is_oid

Json = dict[str, Any]
_CODE_TAGS = ("00080100", "00080102", "00080104", "00080119")
_MAX_REGIONS = 4
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """Study and patient level attributes of one data set, as DICOM text."""

    study_instance_uid: str
    study_date: str = ""
    study_time: str = ""
    timezone_offset_from_utc: str = ""
    accession_number: str = ""
    accession_issuer: str = ""
    study_id: str = ""
    study_description: str = ""
    referring_physician_name: str = ""
    patient_name: str = ""
    patient_id: str = ""
    issuer_of_patient_id: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    institution_name: str = ""
    procedure_code_sequence: list[Json] = field(default_factory=list)

    @property
    def demographics(self) -> Demographics:
        """The person this data set speaks of."""
        return Demographics(self.patient_name, self.patient_birth_date, self.patient_sex)


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """Series level attributes of one data set."""

    series_instance_uid: str
    modality: str = ""
    series_number: int | None = None
    series_description: str = ""
    series_date: str = ""
    series_time: str = ""
    body_part_examined: str = ""
    laterality: str = ""
    anatomic_region_sequence: list[Json] = field(default_factory=list)
    station_name: str = ""
    manufacturer: str = ""
    institution_name: str = ""
    performed_procedure_step_start_date: str = ""
    performed_procedure_step_start_time: str = ""
    request_attributes_sequence: list[Json] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """Instance level attributes of one data set."""

    sop_instance_uid: str
    sop_class_uid: str
    instance_number: int | None = None
    rows: int | None = None
    columns: int | None = None
    bits_allocated: int | None = None
    number_of_frames: int | None = None
    timezone_offset_from_utc: str = ""


def study_facts(attributes: Json) -> StudyFacts:
    """Take out the study and patient level attributes."""
    return StudyFacts(
        study_instance_uid=_text(attributes, "0020000D", 64),
        study_date=_date(attributes, "00080020"),
        study_time=_time(attributes, "00080030"),
        timezone_offset_from_utc=_text(attributes, "00080201", 16),
        accession_number=_text(attributes, "00080050", 64),
        accession_issuer=_entity(attributes, "00080051", "")[:64],
        study_id=_text(attributes, "00200010", 64),
        study_description=_text(attributes, "00081030", 400),
        referring_physician_name=_name(attributes, "00080090"),
        patient_name=_name(attributes, "00100010"),
        patient_id=_text(attributes, "00100020", 64),
        issuer_of_patient_id=_entity(attributes, "00100024", _text(attributes, "00100021", 64))[:64],
        patient_birth_date=_date(attributes, "00100030"),
        patient_sex=_text(attributes, "00100040", 16),
        institution_name=_text(attributes, "00080080", 200),
        procedure_code_sequence=_items(attributes, "00081032"),
    )


def series_facts(attributes: Json) -> SeriesFacts:
    """Take out the series level attributes."""
    return SeriesFacts(
        series_instance_uid=_text(attributes, "0020000E", 64),
        modality=_text(attributes, "00080060", 16),
        series_number=_integer(attributes, "00200011"),
        series_description=_text(attributes, "0008103E", 400),
        series_date=_date(attributes, "00080021"),
        series_time=_time(attributes, "00080031"),
        body_part_examined=_text(attributes, "00180015", 64),
        laterality=_text(attributes, "00200060", 16),
        anatomic_region_sequence=_anatomy(attributes),
        station_name=_text(attributes, "00081010", 64),
        manufacturer=_text(attributes, "00080070", 200),
        institution_name=_text(attributes, "00080080", 200),
        performed_procedure_step_start_date=_date(attributes, "00400244"),
        performed_procedure_step_start_time=_time(attributes, "00400245"),
        request_attributes_sequence=_items(attributes, "00400275"),
    )


def instance_facts(attributes: Json) -> InstanceFacts:
    """Take out the instance level attributes."""
    return InstanceFacts(
        sop_instance_uid=_text(attributes, "00080018", 64),
        sop_class_uid=_text(attributes, "00080016", 64),
        instance_number=_integer(attributes, "00200013"),
        rows=_integer(attributes, "00280010", maximum=2**31 - 1),
        columns=_integer(attributes, "00280011", maximum=2**31 - 1),
        bits_allocated=_integer(attributes, "00280100", maximum=2**31 - 1),
        number_of_frames=_integer(attributes, "00280008", maximum=2**31 - 1),
        timezone_offset_from_utc=_text(attributes, "00080201", 16),
    )


def _values(attributes: Json, tag: str) -> list[Any]:
    element = attributes.get(tag)
    return element.get("Value") or [] if element else []


def _text(attributes: Json, tag: str, length: int) -> str:
    values = _values(attributes, tag)
    if not values:
        return ""
    text = str(values[0]) if len(values) == 1 else "\\".join("" if v is None else str(v) for v in values)
    return text.replace("\0", "").strip()[:length]


def _name(attributes: Json, tag: str) -> str:
    values = _values(attributes, tag)
    if not values or not isinstance(values[0], dict):
        return ""
    person = values[0]
    groups = [str(person.get(key, "")) for key in ("Alphabetic", "Ideographic", "Phonetic")]
    return "=".join(groups).rstrip("=").replace("\0", "").strip()[:324]


def _date(attributes: Json, tag: str) -> str:
    text = _text(attributes, tag, 16).replace(".", "").replace("-", "")
    return text if len(text) == 8 and text.isascii() and text.isdigit() else ""


def _time(attributes: Json, tag: str) -> str:
    text = _text(attributes, tag, 16).replace(":", "")
    return text if _TIME.fullmatch(text) else ""


def _integer(attributes: Json, tag: str, *, maximum: int = 2**63 - 1) -> int | None:
    values = _values(attributes, tag)
    try:
        number = int(values[0]) if values else None
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number is None or -maximum - 1 <= number <= maximum else None


def _items(attributes: Json, tag: str) -> list[Json]:
    return [item for item in _values(attributes, tag) if isinstance(item, dict)][:32]


def _anatomy(attributes: Json) -> list[Json]:
    """Return the codes of the anatomic region, of an image or of all frames of an enhanced one.

    Standard: PS3.3 10.5, C.7.6.16.2.8
    """
    items = _items(attributes, "00082218")
    for shared in _items(attributes, "52009229"):
        for anatomy in _items(shared, "00209071"):
            items += _items(anatomy, "00082218")
    codes = ({tag: item[tag] for tag in _CODE_TAGS if tag in item} for item in items)
    return [code for code in codes if code][:_MAX_REGIONS]


def _entity(attributes: Json, sequence: str, otherwise: str) -> str:
    """Return the OID of an issuer's qualifiers (00400032), or what the plain attribute says."""
    for item in _items(attributes, sequence):
        universal = _text(item, "00400032", 64)
        if is_oid(universal):
            return universal
        local = _text(item, "00400031", 64)
        if local:
            otherwise = otherwise or local
    return otherwise
