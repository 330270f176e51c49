"""RAD-69 Retrieve Imaging Document Set: instances of studies, series by series, in a transfer syntax of the list.

Standard: IHE RAD TF-2 4.69
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from access import audit
from access.actor import Actor
from access.database import release
from registry.affinity import affinity
from registry.ihe.faults import sender_fault
from registry.ihe.soap import SoapAnswer
from registry.ihe.views import Call
from registry.ihe.xml import Element
from registry.reading import permit_reading, record_reading
from registry.submission import RegistryError
from registry.visibility import RemovedStudy, UnknownStudy
from repository.retrieve import StoredInstance, find_instances, stream_files, syntax_to_send
from repository.transcode import UnsupportedConversion
from repository.xds.answers import Given, Wanted, answer_documents, local_name, read_wanted
from repository.xds.retrieve_documents import check_community, unknown_document

ACTION = "urn:ihe:rad:2009:RetrieveImagingDocumentSet"
ROOT = "{urn:ihe:rad:xdsi-b:2009}RetrieveImagingDocumentSetRequest"
DOOR = "rad-69"
DICOM = "application/dicom"
MAX_INSTANCES = 10_000


@dataclass(frozen=True, slots=True)
class _Series:
    study_instance_uid: str
    series_instance_uid: str
    wanted: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    wanted: Wanted
    item: StoredInstance
    target: str


def retrieve_imaging(call: Call) -> SoapAnswer:
    """Answer with the instances that the actor may read and that can be sent in one of the listed syntaxes."""
    series = _read_series(call.body)
    count = sum(len(one.wanted) for one in series)
    if not 0 < count <= MAX_INSTANCES:
        raise sender_fault(f"{count} DocumentRequest elements; 1 to {MAX_INSTANCES} are taken")
    syntaxes = _read_syntaxes(call.body)
    found: list[_Found] = []
    errors: list[RegistryError] = []
    for one in series:
        known = _find_series(call.actor, one)
        for wanted in one.wanted:
            result = _find(wanted, known, syntaxes)
            (found if isinstance(result, _Found) else errors).append(result)  # type: ignore[arg-type]
    _record(call.actor, found)
    release()
    pieces = _stream(call.actor, [one.item for one in found], [one.target for one in found])
    given = [Given(one.wanted, DICOM, _take_next(pieces)) for one in found]
    return answer_documents(call.actor, call.message_id, given, errors)


def _read_series(body: Element) -> list[_Series]:
    return [
        _Series(
            study.get("studyInstanceUID", "").strip(),
            series.get("seriesInstanceUID", "").strip(),
            tuple(read_wanted(child) for child in series if local_name(child) == "DocumentRequest"),
        )
        for study in body
        if local_name(study) == "StudyRequest"
        for series in study
        if local_name(series) == "SeriesRequest"
    ]


def _read_syntaxes(body: Element) -> list[str]:
    texts = [e.text or "" for e in body.iter() if local_name(e) == "TransferSyntaxUID"]
    return [text.strip() for text in texts if text.strip()]


def _find_series(actor: Actor, series: _Series) -> dict[str, StoredInstance]:
    """Return the instances of a series that the actor may read, by SOP Instance UID; none of an unknown one."""
    source = affinity().imaging_source_id
    if not any(check_community(wanted, source) is None for wanted in series.wanted):
        return {}
    try:
        study = permit_reading(actor, series.study_instance_uid, door=DOOR)
        items = find_instances(study, series.series_instance_uid)
    except (UnknownStudy, RemovedStudy):
        return {}
    record_reading(actor, study, door=DOOR)
    return {item.sop_instance_uid: item for item in items}


def _find(
    wanted: Wanted, known: dict[str, StoredInstance], syntaxes: Sequence[str]
) -> _Found | RegistryError:
    error = check_community(wanted, affinity().imaging_source_id)
    if error is not None:
        return error
    item = known.get(wanted.unique_id)
    if item is None:
        return unknown_document(wanted)
    target = _choose_syntax(item, syntaxes)
    if target is None:
        return RegistryError(
            "XDSRepositoryError",
            f"{wanted.unique_id} cannot be sent in a transfer syntax of the TransferSyntaxUIDList",
            wanted.unique_id,
        )
    return _Found(wanted, item, target)


def _choose_syntax(item: StoredInstance, syntaxes: Sequence[str]) -> str | None:
    """Return the stored syntax where it is listed, else the first of the list that it can be brought into."""
    listed = sorted(syntaxes, key=lambda syntax: syntax != item.transfer_syntax_uid)
    for syntax in listed:
        try:
            target = syntax_to_send(item, syntax)
        except UnsupportedConversion:
            continue
        if target in syntaxes:
            return target
    return None


def _record(actor: Actor, found: Sequence[_Found]) -> None:
    for study in dict.fromkeys(one.item.study_instance_uid for one in found):
        sizes = [one.item.length for one in found if one.item.study_instance_uid == study]
        audit.count(actor, study, door=DOOR, instances=len(sizes), bytes_sent=sum(sizes))


def _stream(
    actor: Actor, items: Sequence[StoredInstance], targets: Sequence[str]
) -> Iterator[Iterator[bytes]]:
    """Yield the file of each instance, deciding again where a new series begins: an answer may take long."""
    series = items[0].series_instance_uid if items else ""
    for item, file in zip(items, stream_files(items, targets), strict=True):
        if item.series_instance_uid != series:
            series = item.series_instance_uid
            permit_reading(actor, item.study_instance_uid, door=DOOR)
            release()
        yield file


def _take_next(files: Iterator[Iterator[bytes]]) -> Iterator[bytes]:
    yield from next(files)
