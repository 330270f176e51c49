"""One row as DICOM JSON: what search answers, rendered once at registration and joined as bytes.

A fragment is complete but for the base of its URLs: `BASE_URL_PLACEHOLDER` stands there, a control
character that JSON text can only hold escaped, so replacing it can never touch a value.

Standard: PS3.18 F.2, PS3.18 10.6.3.3
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

import orjson

from registry.attributes import Attribute, Level, attributes_of
from registry.models import Instance, Series, Study

BASE_URL_PLACEHOLDER = b"\x01"
IN_ALL_ANSWERS = ("00080005", "00080056", "00081190")
"""SpecificCharacterSet, InstanceAvailability and RetrieveURL are in every row."""
NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")

Element = dict[str, Any]
Row = Study | Series | Instance


@cache
def default_fields(*levels: Level) -> tuple[Attribute, ...]:
    """Return the attributes that answers of these levels hold without being asked."""
    return tuple(a for level in levels for a in attributes_of(level) if a.answer == "default")


def render_study(study: Study, fields: Iterable[Attribute] | None = None) -> bytes:
    """Return a study as one JSON object; `fields` defaults to the attributes of table 10.6.3-3."""
    fields = default_fields("study") if fields is None else fields
    return _dump(_collect({"study": study}, fields), f"/studies/{study.study_instance_uid}", {})


def render_series(
    series: Series, study_instance_uid: str, fields: Iterable[Attribute] | None = None
) -> bytes:
    """Return a series as one JSON object; attributes of its study are read from `series.study`."""
    fields = default_fields("series") if fields is None else tuple(fields)
    rows: dict[Level, Row] = {"series": series}
    if any(field.level == "study" for field in fields):
        rows["study"] = series.study
    path = f"/studies/{study_instance_uid}/series/{series.series_instance_uid}"
    return _dump(_collect(rows, fields), path, {"0020000D": study_instance_uid})


def render_instance(
    instance: Instance,
    series_instance_uid: str,
    study_instance_uid: str,
    fields: Iterable[Attribute] | None = None,
) -> bytes:
    """Return an instance as one JSON object; its parents' attributes are read from `instance.series`."""
    fields = default_fields("instance") if fields is None else tuple(fields)
    levels = {field.level for field in fields}
    rows: dict[Level, Row] = {"instance": instance}
    if levels & {"study", "series"}:
        rows["series"] = instance.series
    if "study" in levels:
        rows["study"] = instance.series.study
    path = f"/studies/{study_instance_uid}/series/{series_instance_uid}/instances/{instance.sop_instance_uid}"
    parents = {"0020000D": study_instance_uid, "0020000E": series_instance_uid}
    return _dump(_collect(rows, fields), path, parents)


def fill_base_url(body: bytes, base_url: str) -> bytes:
    """Put the public base of the DICOMweb service (no slash at its end) into joined fragments."""
    return body.replace(BASE_URL_PLACEHOLDER, orjson.dumps(base_url)[1:-1])


def render_element(attribute: Attribute, value: Any) -> Element:
    """Return the JSON of one element; an empty value leaves the VR alone.

    Standard: PS3.18 F.2.5
    """
    if value is None or value in ("", []):
        return {"vr": attribute.vr}
    if attribute.vr == "PN":
        name = render_name(value)
        return {"vr": "PN", "Value": [name]} if name else {"vr": "PN"}
    values = [item for item in value if item != ""] if isinstance(value, list) else [value]
    return {"vr": attribute.vr, "Value": values} if values else {"vr": attribute.vr}


def render_name(name: str) -> dict[str, str]:
    """Split a person name into its component groups; empty groups are left out.

    Standard: PS3.5 6.2.1, PS3.18 F.2.2
    """
    return {key: text for key, text in zip(NAME_GROUPS, name.split("="), strict=False) if text.strip("^ ")}


def _collect(rows: dict[Level, Row], fields: Iterable[Attribute]) -> dict[str, Element]:
    return {
        field.tag: render_element(field, getattr(rows[field.level], field.column))
        for field in fields
        if field.column
    }


def _dump(elements: dict[str, Element], path: str, parents: dict[str, str]) -> bytes:
    for tag, uid in parents.items():
        elements[tag] = {"vr": "UI", "Value": [uid]}
    url = b'"' + BASE_URL_PLACEHOLDER + orjson.dumps(path)[1:]
    elements["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    elements["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
    elements["00081190"] = {"vr": "UR", "Value": [orjson.Fragment(url)]}
    return orjson.dumps(elements, option=orjson.OPT_SORT_KEYS)
