"""What a submitted key object selection has to be: the one that its metadata says, of the patient it says.

Standard: IHE RAD TF-2 4.68.4.1.2
"""

import io
import warnings
from collections.abc import Iterator
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError

from registry.document_patients import find_patients
from registry.identity import decide_issuer, normalise_national, rules_of
from registry.submission import EntryDraft, Origin, RegistryError
from repository.document_store import MAX_PARSED_BYTES, read_object

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"
_NOT_READABLE = (
    InvalidDicomError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    EOFError,
    OSError,
    NotImplementedError,
)


def check_key_object(entry: EntryDraft, key: str, size_bytes: int, origin: Origin) -> Iterator[RegistryError]:
    """Tell what is wrong with the bytes of an entry whose format code says key object selection."""
    if entry.format_code is None or entry.format_code.code != KEY_OBJECT_SELECTION:
        return
    if size_bytes > MAX_PARSED_BYTES:
        yield _fault(entry, f"is larger than {MAX_PARSED_BYTES} bytes")
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is odd but readable is the sender's to mend
            data_set = pydicom.dcmread(io.BytesIO(read_object(key)), stop_before_pixels=True)
            found = _read(data_set)
            candidates = set(_write_candidates(data_set, origin))
    except _NOT_READABLE as error:
        yield _fault(entry, f"cannot be read as DICOM: {type(error).__name__}")
        return
    if found[0] != KEY_OBJECT_SELECTION:
        yield _fault(entry, f"is of the SOP class {found[0] or 'none'}, not a key object selection")
    if found[1] != entry.unique_id.removeprefix("urn:oid:"):
        yield _fault(entry, f"has the SOP Instance UID {found[1] or 'none'}, not that of the entry")
    if not _names_patient(entry, candidates):
        yield _fault(entry, "has a PatientID that is not the patientId of the entry")


def _read(data_set: Any) -> tuple[str, str]:
    return str(data_set.get("SOPClassUID", "")), str(data_set.get("SOPInstanceUID", ""))


def _write_candidates(data_set: Any, origin: Origin) -> Iterator[str]:
    """Yield as CX under which numbers the object knows its patient."""
    birth_date = str(data_set.get("PatientBirthDate", "") or "")
    items = [data_set, *(data_set.get("OtherPatientIDsSequence") or ())]
    for item in items:
        text = str(item.get("PatientID", "") or "").strip()
        issuer = _read_issuer(item)
        if not text:
            continue
        number = decide_issuer(text, issuer, rules_of(origin.department_id), birth_date)
        national = normalise_national(text, birth_date)
        for one in (number, national):
            if one is not None and one.issuer:
                yield f"{one.value}^^^&{one.issuer}&ISO"
        if issuer:
            yield f"{text}^^^&{issuer}&ISO"
        elif item is data_set:
            yield text


def _read_issuer(item: Any) -> str:
    for qualifier in item.get("IssuerOfPatientIDQualifiersSequence") or ():
        if qualifier.get("UniversalEntityID"):
            return str(qualifier.UniversalEntityID).strip()
    return str(item.get("IssuerOfPatientID", "") or "").strip()


def _names_patient(entry: EntryDraft, candidates: set[str]) -> bool:
    """Tell whether a number of the object is one of the entry's, or another of the same patient."""
    stated = {text for text in (entry.patient_id, entry.source_patient_id) if text}
    if candidates & (stated | {text.partition("^")[0] for text in stated}):
        return True
    known = find_patients({entry.patient_id, *(text for text in candidates if "^" in text)})
    return any(
        known.get(text) is not None and known[text] == known.get(entry.patient_id) for text in candidates
    )


def _fault(entry: EntryDraft, what: str) -> RegistryError:
    return RegistryError("InvalidDocumentContent", f"{entry.unique_id}: the document {what}", entry.unique_id)
