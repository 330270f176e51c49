"""The two modules of storage commitment in the DICOM JSON model: what is asked for, and what is answered.

References come as a flat list, or by study and series; the answer has the form of the question.

Standard: PS3.18 J.1, J.2
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from repository.commitment import CommitmentResult, Reference

STUDIES, SERIES = "00081110", "00081115"
BY_SOP_CLASS, INSTANCES = "00081112", "0008114A"
SOP_CLASS, SOP_INSTANCE = "00081150", "00081155"
STUDY_UID, SERIES_UID = "0020000D", "0020000E"
REASON, FAILED, REFERENCED, FAILED_STUDIES = "00081197", "00081198", "00081199", "0008119B"
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))*")

Json = dict[str, Any]
Answered = tuple[Reference, int | None]


class InvalidCommitmentRequest(ValueError):
    """The request module does not say what is to be committed; the message says where."""


def is_uid(text: str) -> bool:
    """Tell whether a text is a UID.

    Standard: PS3.5 9.1
    """
    return len(text) <= 64 and bool(_UID.fullmatch(text))


def read_request(module: object) -> tuple[Reference, ...]:
    """Return what a Storage Commitment Request Module refers to, in its order.

    Raises
    ------
    InvalidCommitmentRequest

    Standard: PS3.18 J.1
    """
    if isinstance(module, list) and len(module) == 1:
        module = module[0]
    if not isinstance(module, dict):
        raise InvalidCommitmentRequest("the body must be one DICOM JSON object")
    flat = [_read_instance(item, {}) for item in _items(module, REFERENCED)]
    references = (*flat, *_read_studies(module))
    if not references:
        raise InvalidCommitmentRequest(
            "no reference: Referenced SOP Sequence (0008,1199) or Referenced Study Sequence (0008,1110) must have items"
        )
    return references


def build_response(result: CommitmentResult) -> Json:
    """Return the Storage Commitment Response Module of a settled request.

    Standard: PS3.18 J.2
    """
    answered = list(zip(result.references, result.reasons or (), strict=True))
    flat = [one for one in answered if not one[0].study_instance_uid]
    by_study = [one for one in answered if one[0].study_instance_uid]
    module: Json = {}
    for tag, items in (
        (REFERENCED, [_instance_item(one, with_class=True) for one in flat if one[1] is None]),
        (FAILED, [_instance_item(one, with_class=True) for one in flat if one[1] is not None]),
        (STUDIES, _study_items(one for one in by_study if one[1] is None)),
        (FAILED_STUDIES, _study_items(one for one in by_study if one[1] is not None)),
    ):
        if items:
            module[tag] = {"vr": "SQ", "Value": items}
    return dict(sorted(module.items()))


def _read_studies(module: Json) -> Iterator[Reference]:
    for study in _items(module, STUDIES):
        study_uid = _uid_in(study, STUDY_UID)
        for series in _items(study, SERIES):
            place = {"study_instance_uid": study_uid, "series_instance_uid": _uid_in(series, SERIES_UID)}
            for group in _items(series, BY_SOP_CLASS):
                for item in _items(group, INSTANCES):
                    yield _read_instance({**item, SOP_CLASS: group.get(SOP_CLASS)}, place)
            for item in _items(series, REFERENCED):
                yield _read_instance(item, place)


def _read_instance(item: Json, place: dict[str, str]) -> Reference:
    return Reference(_uid_in(item, SOP_CLASS), _uid_in(item, SOP_INSTANCE), **place)


def _items(data_set: Json, tag: str) -> list[Json]:
    element = data_set.get(tag)
    values = element.get("Value", []) if isinstance(element, dict) else [] if element is None else None
    if not isinstance(values, list) or not all(isinstance(item, dict) for item in values):
        raise InvalidCommitmentRequest(f"({tag[:4]},{tag[4:]}) is no sequence of items")
    return values


def _uid_in(item: Json, tag: str) -> str:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    text = values[0] if isinstance(values, list) and len(values) == 1 else None
    if not isinstance(text, str) or not is_uid(text):
        raise InvalidCommitmentRequest(f"an item has no UID in ({tag[:4]},{tag[4:]})")
    return text


def _study_items(answered: Iterable[Answered]) -> list[Json]:
    tree: dict[str, dict[str, dict[str, list[Answered]]]] = {}
    for one in answered:
        series = tree.setdefault(one[0].study_instance_uid, {}).setdefault(one[0].series_instance_uid, {})
        series.setdefault(one[0].sop_class_uid, []).append(one)
    return [
        {
            SERIES: {"vr": "SQ", "Value": [_series_item(uid, classes) for uid, classes in series.items()]},
            STUDY_UID: _uid_element(study_uid),
        }
        for study_uid, series in tree.items()
    ]


def _series_item(series_uid: str, classes: dict[str, list[Answered]]) -> Json:
    groups = [
        {
            INSTANCES: {"vr": "SQ", "Value": [_instance_item(one, with_class=False) for one in inside]},
            SOP_CLASS: _uid_element(sop_class_uid),
        }
        for sop_class_uid, inside in classes.items()
    ]
    return {BY_SOP_CLASS: {"vr": "SQ", "Value": groups}, SERIES_UID: _uid_element(series_uid)}


def _instance_item(answered: Answered, *, with_class: bool) -> Json:
    reference, reason = answered
    item = {SOP_CLASS: _uid_element(reference.sop_class_uid)} if with_class else {}
    item[SOP_INSTANCE] = _uid_element(reference.sop_instance_uid)
    if reason is not None:
        item[REASON] = {"vr": "US", "Value": [reason]}
    return item


def _uid_element(uid: str) -> Json:
    return {"vr": "UI", "Value": [uid]}
