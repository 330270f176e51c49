"""What a C-MOVE or C-GET will send: decided study by study, recorded before the first byte.

Standard: PS3.4 C.4.2, C.4.3
"""

import io
from collections.abc import Iterator, Mapping, Sequence

from pydicom import dcmread
from pydicom.dataset import Dataset

from access.actor import Actor
from access.database import release
from registry.matching import Match, make_match
from registry.reading import permit_reading, record_reading
from registry.search import Paging, search
from registry.visibility import UnknownStudy, VisibleStudy, permitted_study
from repository.dimse.identifiers import InvalidIdentifier, Wanted
from repository.presentation_contexts import NoCommonSyntax, choose_syntax
from repository.retrieve import StoredInstance, find_instances, stream_file

MOST_STUDIES = 1000


def plan(wanted: Wanted, actor: Actor, receiver: Actor | None = None) -> list[StoredInstance]:
    """Return what is to be sent, in order: what the actor may see, and the receiver too.

    Unknown studies and hidden ones are left out alike; what is left is recorded as read.

    Raises
    ------
    InvalidIdentifier
        More studies than one request may name.
    UnrecordedAccess
        The access log cannot be written.
    """
    items: list[StoredInstance] = []
    for uid in _study_uids(wanted, actor):
        try:
            study = permit_reading(actor, uid, door="dimse")
            if receiver is not None:
                permitted_study(receiver, uid)
            found = _find(study, wanted)
        except UnknownStudy:
            continue
        record_reading(actor, study, door="dimse")
        items.extend(found)
    release()
    return items


def _study_uids(wanted: Wanted, actor: Actor) -> Sequence[str]:
    if wanted.study_uids:
        if len(wanted.study_uids) > MOST_STUDIES:
            raise InvalidIdentifier(f"a request names at most {MOST_STUDIES} studies")
        return wanted.study_uids
    matches: list[Match] = []
    if wanted.patient_id:
        matches.append(make_match("instance", "PatientID", wanted.patient_id))
    if wanted.series_uids:
        matches.append(make_match("instance", "SeriesInstanceUID", "\\".join(wanted.series_uids)))
    if wanted.instance_uids:
        matches.append(make_match("instance", "SOPInstanceUID", "\\".join(wanted.instance_uids)))
    page = search("study", matches, Paging(MOST_STUDIES), actor)
    if page.more:  # a part of what was asked for must not look like all of it
        raise InvalidIdentifier(
            f"more than {MOST_STUDIES} studies are asked for: name them by StudyInstanceUID"
        )
    return [study.study_instance_uid for study in page.rows]


def _find(study: VisibleStudy, wanted: Wanted) -> list[StoredInstance]:
    items = find_instances(study)
    if wanted.level in ("SERIES", "IMAGE") and wanted.series_uids:
        items = [item for item in items if item.series_instance_uid in wanted.series_uids]
    if wanted.level == "IMAGE":
        items = [item for item in items if item.sop_instance_uid in wanted.instance_uids]
    return items


def read_dataset(item: StoredInstance, syntax: str) -> Dataset:
    """Return an instance as a data set in a transfer syntax; it is held in memory while it is sent."""
    return dcmread(io.BytesIO(b"".join(stream_file(item, syntax))))


def name_only(item: StoredInstance) -> Dataset:
    """Return a data set that only names an instance, for one that could not be sent."""
    named = Dataset()
    named.SOPClassUID = item.sop_class_uid
    named.SOPInstanceUID = item.sop_instance_uid
    return named


def iterate(
    items: Sequence[StoredInstance], accepted: Mapping[str, frozenset[str]]
) -> Iterator[tuple[StoredInstance, Dataset | None, str]]:
    """Yield each instance with its data set, or None and why it cannot be sent."""
    for item in items:
        try:
            yield (
                item,
                read_dataset(item, choose_syntax(item, accepted.get(item.sop_class_uid, frozenset()))),
                "",
            )
        except NoCommonSyntax as error:
            yield item, None, str(error)
