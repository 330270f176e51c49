"""The identifier of a C-FIND, C-MOVE or C-GET request: its level, its keys, what it wants back.

Standard: PS3.4 C.2.2, C.6
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from registry.attributes import Attribute, Level
from registry.matching import Match, Rules, UnknownKey, find_key, join_ranges, make_match

LEVELS: dict[str, Level] = {"PATIENT": "study", "STUDY": "study", "SERIES": "series", "IMAGE": "instance"}
"""Patients are found by their studies."""
UNIQUE_KEYS = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
_NOT_KEYS = frozenset(
    {"QueryRetrieveLevel", "SpecificCharacterSet", "TimezoneOffsetFromUTC", "QueryRetrieveView"}
)
_PATIENT_KEYS = frozenset(
    {"PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex", "OtherPatientIDs"}
)


class InvalidIdentifier(ValueError):
    """The identifier cannot be answered; the message says which part of it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a C-FIND asks: keys that match, tags that are wanted back, and whether some keys were left aside."""

    query_level: str
    level: Level
    matches: tuple[Match, ...]
    fields: tuple[Attribute, ...]
    tags: tuple[int, ...]
    has_unsupported: bool


def read_level(identifier: Dataset, levels: Sequence[str]) -> str:
    """Return the level of a request, one of those that its model has."""
    level = str(identifier.get("QueryRetrieveLevel", "") or "").strip()
    if level not in levels:
        raise InvalidIdentifier(f"QueryRetrieveLevel {level!r} is none of {', '.join(levels)}")
    return level


def read_question(identifier: Dataset, levels: Sequence[str]) -> Question:
    """Read the identifier of a C-FIND.

    A key that the search does not know is left aside, as the standard has it, and the answer says so. Names
    match without case and accents, as person names may.

    Raises
    ------
    InvalidIdentifier
        No level, or none that the model has.
    InvalidSearch
        A key that is known cannot be matched by its value.
    """
    query_level = read_level(identifier, levels)
    level = LEVELS[query_level]
    matches: list[Match] = []
    fields: list[Attribute] = []
    tags: list[int] = []
    has_unsupported = False
    for element in identifier:
        if element.keyword in _NOT_KEYS or element.tag.element == 0:
            continue
        if query_level == "PATIENT" and element.keyword not in _PATIENT_KEYS:
            has_unsupported = True
            continue
        tags.append(int(element.tag))
        attribute = find_key(level, f"{int(element.tag):08X}")
        if attribute is not None and attribute.column:
            fields.append(attribute)
        try:
            matches.extend(_read_keys(level, element))
        except UnknownKey:
            has_unsupported = True
    return Question(query_level, level, join_ranges(matches), tuple(fields), tuple(tags), has_unsupported)


def _read_keys(level: Level, element: DataElement) -> Iterator[Match]:
    head = f"{int(element.tag):08X}"
    if element.VR == "SQ":
        for item in element.value or ():
            for inner in item:
                value = value_text(inner)
                if value:
                    yield make_match(level, f"{head}.{int(inner.tag):08X}", value, Rules())
        return
    value = value_text(element)
    if value:
        yield make_match(level, head, value, Rules())


def value_text(element: DataElement) -> str:
    """Return a value as the text that a search takes: several values with backslashes between."""
    value = element.value
    if value is None:
        return ""
    if isinstance(value, (MultiValue, list)):
        return "\\".join(str(item) for item in value)
    return str(value).strip()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a C-MOVE or C-GET is to send: everything under the UIDs named at its level."""

    level: str
    patient_id: str
    study_uids: tuple[str, ...]
    series_uids: tuple[str, ...]
    instance_uids: tuple[str, ...]


def read_wanted(identifier: Dataset, levels: Sequence[str]) -> Wanted:
    """Read the identifier of a C-MOVE or C-GET.

    Raises
    ------
    InvalidIdentifier
        The unique key of its level, or of a level above that is needed to find it, is missing.
    """
    level = read_level(identifier, levels)
    wanted = Wanted(
        level,
        str(identifier.get("PatientID", "") or "").strip(),
        _uids(identifier, "StudyInstanceUID"),
        _uids(identifier, "SeriesInstanceUID"),
        _uids(identifier, "SOPInstanceUID"),
    )
    given = {
        "PATIENT": bool(wanted.patient_id),
        "STUDY": bool(wanted.study_uids),
        "SERIES": bool(wanted.series_uids),
        "IMAGE": bool(wanted.instance_uids),
    }
    if not given[level]:
        raise InvalidIdentifier(f"a request on level {level} names its {UNIQUE_KEYS[level]}")
    return wanted


def _uids(identifier: Dataset, keyword: str) -> tuple[str, ...]:
    if keyword not in identifier:
        return ()
    text = value_text(identifier[keyword])
    return tuple(uid.strip() for uid in text.split("\\") if uid.strip())
