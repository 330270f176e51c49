"""What a C-MOVE or C-GET will send: decided study by study, recorded before the first byte.

Standard: PS3.4 C.4.2, C.4.3
"""

import io
from collections.abc import Iterator, Sequence

from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom.presentation import PresentationContext

from access.actor import Actor
from access.database import release
from registry.matching import Match, make_match
from registry.reading import permit_reading, record_reading
from registry.search import Paging, search
from registry.visibility import UnknownStudy, VisibleStudy, permitted_study
from repository.dimse.identifiers import Wanted
from repository.retrieve import (
    EXPLICIT_LITTLE_ENDIAN,
    NOT_ON_THE_WIRE,
    StoredInstance,
    find_instances,
    stream_file,
    syntax_to_send,
)
from repository.transcode import UnsupportedConversion

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
UNCOMPRESSED = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
MOST_STUDIES = 1000
MOST_CONTEXTS = 128


class NoCommonSyntax(ValueError):
    """The receiver takes the instance in no transfer syntax that can be made of it."""


def plan(wanted: Wanted, actor: Actor, receiver: Actor | None = None) -> list[StoredInstance]:
    """Return what is to be sent, in order: what the actor may see, and the receiver too.

    Unknown studies and hidden ones are left out alike; what is left is recorded as read.

    Raises
    ------
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
        return wanted.study_uids[:MOST_STUDIES]
    matches: list[Match] = []
    if wanted.patient_id:
        matches.append(make_match("instance", "PatientID", wanted.patient_id))
    if wanted.series_uids:
        matches.append(make_match("instance", "SeriesInstanceUID", "\\".join(wanted.series_uids)))
    if wanted.instance_uids:
        matches.append(make_match("instance", "SOPInstanceUID", "\\".join(wanted.instance_uids)))
    page = search("study", matches, Paging(MOST_STUDIES), actor)
    return [study.study_instance_uid for study in page.rows]


def _find(study: VisibleStudy, wanted: Wanted) -> list[StoredInstance]:
    items = find_instances(study)
    if wanted.level in ("SERIES", "IMAGE") and wanted.series_uids:
        items = [item for item in items if item.series_instance_uid in wanted.series_uids]
    if wanted.level == "IMAGE":
        items = [item for item in items if item.sop_instance_uid in wanted.instance_uids]
    return items


def contexts_for(items: Sequence[StoredInstance]) -> list[tuple[str, tuple[str, ...]]]:
    """Return which contexts to propose for what is sent: as stored, and uncompressed for who takes nothing else.

    One transfer syntax a context, so that the receiver chooses none for us; at most 128 contexts.
    """
    pairs: dict[tuple[str, tuple[str, ...]], None] = {}
    for item in items:
        if item.transfer_syntax_uid not in (*NOT_ON_THE_WIRE, *UNCOMPRESSED):
            pairs[item.sop_class_uid, (item.transfer_syntax_uid,)] = None
    for item in items:
        pairs[item.sop_class_uid, UNCOMPRESSED] = None
    return list(pairs)[:MOST_CONTEXTS]


def choose_syntax(item: StoredInstance, contexts: Sequence[PresentationContext]) -> str:
    """Return the transfer syntax that an instance is sent in over the contexts that were accepted.

    Raises
    ------
    NoCommonSyntax
        None of them can be made of it.
    """
    accepted = {
        str(context.transfer_syntax[0])
        for context in contexts
        if context.abstract_syntax == item.sop_class_uid and context.as_scu
    }
    stored = item.transfer_syntax_uid
    if stored in accepted and stored not in NOT_ON_THE_WIRE:
        return stored
    if accepted & set(UNCOMPRESSED):  # implicit and explicit are one step of the sender's
        try:
            return syntax_to_send(item, EXPLICIT_LITTLE_ENDIAN)
        except UnsupportedConversion as error:
            raise NoCommonSyntax(str(error)) from error
    for syntax in sorted(accepted):
        try:
            if syntax_to_send(item, syntax) == syntax:
                return syntax
        except UnsupportedConversion:
            continue
    raise NoCommonSyntax(f"the receiver takes instance {item.sop_instance_uid} in none of its syntaxes")


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
    items: Sequence[StoredInstance], contexts: Sequence[PresentationContext]
) -> Iterator[tuple[StoredInstance, Dataset | None, str]]:
    """Yield each instance with its data set, or None and why it cannot be sent."""
    for item in items:
        try:
            yield item, read_dataset(item, choose_syntax(item, contexts)), ""
        except NoCommonSyntax as error:
            yield item, None, str(error)
