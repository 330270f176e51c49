"""A key object selection read as what it says about a study: classic or MADO, with either generation of codes.

Standard: IHE RAD TF-3 4.68.4.1.2; IHE RAD MADO 6.X.2
"""

from base64 import b64decode
from dataclasses import dataclass, field, replace

from registry.manifest import codes
from registry.manifest.codes import DIALECTS
from registry.manifest.json_values import (
    Json,
    code_of,
    codes_of,
    issuer_of,
    items_of,
    text_of,
    whole_number,
)
from registry.manifest.kos import PRIVATE_CREATOR
from registry.manifest.model import (
    Code,
    Identifier,
    InstanceContent,
    Institution,
    ManifestIdentity,
    OrderContent,
    PatientContent,
    SeriesContent,
    Source,
    StudyContent,
)

Key = tuple[str, str]
_TITLES = frozenset({(d.title.value, d.title.scheme) for d in DIALECTS.values()} | {("113030", "DCM")})
_DESCRIPTIONS, _DATES, _TIMES = (
    frozenset((getattr(d, name).value, getattr(d, name).scheme) for d in DIALECTS.values())
    for name in ("series_description", "series_date", "series_time")
)
_INSTANCE_CONCEPTS = frozenset(
    (code.value, code.scheme)
    for code in (
        codes.NUMBER_OF_FRAMES,
        codes.INSTANCE_NUMBER,
        codes.DOCUMENT_TITLE,
        codes.KEY_OBJECT_DESCRIPTION,
    )
)


class UnreadableManifest(ValueError):
    """It is no manifest of one study; the message says what is missing."""


@dataclass(slots=True)
class _Library:
    """What the tree says beside the evidence."""

    regions: list[Code] = field(default_factory=list)
    groups: dict[str, list[Json]] = field(default_factory=dict)
    instances: dict[str, list[Json]] = field(default_factory=dict)


def read_kos(attributes: Json) -> tuple[StudyContent, ManifestIdentity]:
    """Read a manifest's DICOM JSON.

    Raises
    ------
    UnreadableManifest
        The title is no manifest's, or it refers to no study, or to several.
    """
    title = next(iter(codes_of(attributes, "0040A043")), Code("", ""))
    if (title.value, title.scheme) not in _TITLES:
        raise UnreadableManifest(
            f"Concept Name Code ({title.value}, {title.scheme}) is no title of a manifest"
        )
    evidence = items_of(attributes, "0040A375")
    studies = list(dict.fromkeys(text_of(item, "0020000D") for item in evidence))
    if len(studies) != 1 or not studies[0]:
        raise UnreadableManifest(
            f"Current Requested Procedure Evidence Sequence names {len(studies)} studies: one manifest tells of one"
        )
    library = _read_library(attributes)
    series = tuple(_read_series(item, library) for study in evidence for item in items_of(study, "00081115"))
    content = StudyContent(
        study_instance_uid=studies[0],
        date=text_of(attributes, "00080020"),
        time=text_of(attributes, "00080030"),
        timezone=text_of(attributes, "00080201"),
        patient=_read_patient(attributes),
        series=series,
        orders=_read_orders(attributes),
        regions=tuple(library.regions),
        procedure_codes=_read_procedures(attributes),
        description=text_of(attributes, "00081030"),
        study_id=text_of(attributes, "00200010"),
        referring_physician_name=text_of(attributes, "00080090"),
        institution=read_institution(text_of(attributes, "00080080")),
        manufacturer=text_of(attributes, "00080070"),
        viewer_url=_read_viewer(evidence[0]),
    )
    made = text_of(attributes, "00080023") + text_of(attributes, "00080033")
    return content, ManifestIdentity(text_of(attributes, "00080018"), text_of(attributes, "0020000E"), made)


def read_institution(text: str) -> Institution:
    """Read an institution's name, or XON."""
    parts = text.split("^")
    if len(parts) < 10 or not parts[9]:
        return Institution(parts[0])
    issuer = parts[5].split("&")
    return Institution(parts[0], Identifier(parts[9], issuer[1] if len(issuer) > 1 else issuer[0]))


def _read_patient(attributes: Json) -> PatientContent:
    primary = _read_number(attributes)
    others = [_read_number(item) for item in items_of(attributes, "00101002")]
    numbers = dict.fromkeys(number for number in (primary, *others) if number.value)
    return PatientContent(
        tuple(numbers),
        name=text_of(attributes, "00100010"),
        birth_date=text_of(attributes, "00100030"),
        sex=text_of(attributes, "00100040"),
    )


def _read_number(item: Json) -> Identifier:
    word = text_of(item, "00100021")
    qualifiers = items_of(item, "00100024")
    universal = text_of(qualifiers[0], "00400032") if qualifiers else ""
    return Identifier(text_of(item, "00100020"), universal or word, word if universal else "")


def _read_orders(attributes: Json) -> tuple[OrderContent, ...]:
    orders = tuple(_read_order(item) for item in items_of(attributes, "0040A370"))
    accession = text_of(attributes, "00080050")
    if orders or not accession:
        return orders
    return (OrderContent(issuer_of(accession, items_of(attributes, "00080051"))),)


def _read_order(item: Json) -> OrderContent:
    return OrderContent(
        accession=issuer_of(text_of(item, "00080050"), items_of(item, "00080051")),
        placer=_number_with_issuer(item, "00402016", "00400026"),
        filler=_number_with_issuer(item, "00402017", "00400027"),
        requested_procedure_id=text_of(item, "00401001"),
        description=text_of(item, "00321060"),
        procedure_codes=codes_of(item, "00321064"),
    )


def _number_with_issuer(item: Json, tag: str, issuer_tag: str) -> Identifier:
    value = text_of(item, tag)
    return issuer_of(value, items_of(item, issuer_tag)) if value else Identifier("")


def _read_procedures(attributes: Json) -> tuple[Code, ...]:
    concept = (codes.PROCEDURE_CODE.value, codes.PROCEDURE_CODE.scheme)
    return tuple(
        _value_code(item) for item in items_of(attributes, "0040A730") if _concept_of(item) == concept
    )


def _read_viewer(study: Json) -> str:
    """Read Display URI: the element that DICOM has given it, or the private one from before."""
    if text := text_of(study, "0040E012"):
        return text
    for block in range(0x10, 0x100):
        if text_of(study, f"000D00{block:02X}") == PRIVATE_CREATOR:
            return _text_of_unknown(study, f"000D{block:02X}01")
    return ""


def _text_of_unknown(attributes: Json, tag: str) -> str:
    """Return a text that a reader without our dictionary may have kept as bytes."""
    inline = attributes.get(tag, {}).get("InlineBinary")
    if isinstance(inline, str):
        return b64decode(inline).decode("utf-8", "replace").strip("\0 ")
    return text_of(attributes, tag)


def _read_library(attributes: Json) -> _Library:
    library = _Library()
    for item in items_of(attributes, "0040A730"):
        if _concept_of(item) != (codes.IMAGE_LIBRARY.value, codes.IMAGE_LIBRARY.scheme):
            continue
        for child in items_of(item, "0040A730"):
            if _concept_of(child) == (codes.TARGET_REGION.value, codes.TARGET_REGION.scheme):
                library.regions.append(_value_code(child))
            elif text_of(child, "0040A040") == "CONTAINER":
                _read_group(child, library)
    return library


def _read_group(group: Json, library: _Library) -> None:
    """Sort a group's items: about the series, or about an instance, inside it or right before it."""
    said: list[Json] = []
    pending: list[Json] = []
    for item in items_of(group, "0040A730"):
        reference = items_of(item, "00081199")
        if reference:
            children = items_of(item, "0040A730")
            library.instances[text_of(reference[0], "00081155")] = [*pending, *children]
            pending = []
        elif _concept_of(item) in _INSTANCE_CONCEPTS:
            pending.append(item)
        else:
            said.append(item)
    for item in said:
        if _concept_of(item) == (codes.SERIES_INSTANCE_UID.value, codes.SERIES_INSTANCE_UID.scheme):
            library.groups[text_of(item, "0040A124")] = said


def _read_series(item: Json, library: _Library) -> SeriesContent:
    uid = text_of(item, "0020000E")
    series = SeriesContent(
        series_instance_uid=uid,
        modality="",
        source=Source(text_of(item, "00080054"), text_of(item, "0040E011"), text_of(item, "00081190")),
        instances=tuple(_read_instance(row, library) for row in items_of(item, "00081199")),
    )
    for said in library.groups.get(uid, []):
        series = _describe_series(series, said)
    return series


def _describe_series(series: SeriesContent, item: Json) -> SeriesContent:
    concept = _concept_of(item)
    if concept == (codes.MODALITY.value, codes.MODALITY.scheme):
        return replace(series, modality=_value_code(item).value)
    if concept == (codes.TARGET_REGION.value, codes.TARGET_REGION.scheme):
        return replace(series, region=_value_code(item))
    if concept == (codes.SERIES_NUMBER.value, codes.SERIES_NUMBER.scheme):
        return replace(series, series_number=whole_number(text_of(item, "0040A160")))
    if concept in _DESCRIPTIONS:
        return replace(series, description=text_of(item, "0040A160"))
    if concept in _DATES:
        return replace(series, date=text_of(item, "0040A121"))
    if concept in _TIMES:
        return replace(series, time=text_of(item, "0040A122"))
    return series


def _read_instance(item: Json, library: _Library) -> InstanceContent:
    uid = text_of(item, "00081155")
    number = frames = title = None
    description = ""
    for said in library.instances.get(uid, []):
        concept = _concept_of(said)
        if concept == (codes.INSTANCE_NUMBER.value, codes.INSTANCE_NUMBER.scheme):
            number = whole_number(_number_text(said))
        elif concept == (codes.NUMBER_OF_FRAMES.value, codes.NUMBER_OF_FRAMES.scheme):
            frames = whole_number(_number_text(said))
        elif concept == (codes.DOCUMENT_TITLE.value, codes.DOCUMENT_TITLE.scheme):
            title = _value_code(said)
        elif concept == (codes.KEY_OBJECT_DESCRIPTION.value, codes.KEY_OBJECT_DESCRIPTION.scheme):
            description = text_of(said, "0040A160")
    return InstanceContent(text_of(item, "00081150"), uid, number, frames, title, description)


def _number_text(item: Json) -> str:
    measured = items_of(item, "0040A300")
    return text_of(measured[0], "0040A30A") if measured else text_of(item, "0040A160")


def _concept_of(item: Json) -> Key:
    names = items_of(item, "0040A043")
    if not names:
        return "", ""
    return text_of(names[0], "00080100"), text_of(names[0], "00080102")


def _value_code(item: Json) -> Code:
    values = items_of(item, "0040A168")
    return code_of(values[0]) if values else Code("", "")
