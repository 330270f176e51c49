"""Content items of a key object selection's tree.

Standard: PS3.3 C.17.3
"""

from functools import lru_cache

from registry.manifest.data_set import write, write_code, write_sequence
from registry.manifest.model import Code, InstanceContent

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_WAVEFORMS = (f"{_STORAGE}9.",)
_COMPOSITES = tuple(
    _STORAGE + rest
    for rest in (
        *("4.2", "11.", "66.1", "66.2", "66.3", "66.5", "66.6", "67", "68.", "78.", "79.1", "80.1", "88."),
        *("90.1", "104.", "131", "200.", "201.1", "481.3", "481.5", "481.6", "481.7", "481.8", "481.9"),
        *("481.10", "481.11", "481.12", "481.13", "481.14", "481.15", "481.16", "481.17", "481.18"),
        *("481.19", "481.20", "481.21", "481.22", "481.23", "481.24", "481.25"),
    )
)
_RAW_DATA = f"{_STORAGE}66"


@lru_cache(maxsize=1024)
def value_type_of(sop_class_uid: str) -> str:
    """Return how a tree refers to an instance of a class: IMAGE, WAVEFORM or COMPOSITE."""
    if sop_class_uid.startswith(_WAVEFORMS):
        return "WAVEFORM"
    is_whole = sop_class_uid == _RAW_DATA or any(
        sop_class_uid.startswith(part) if part.endswith(".") else sop_class_uid == part
        for part in _COMPOSITES
    )
    return "COMPOSITE" if is_whole else "IMAGE"


def write_code_item(relationship: str, concept: Code, code: Code) -> bytes:
    """Return a CODE item."""
    return _write_head(relationship, "CODE", concept) + write_sequence(0x0040A168, (write_code(code),))


def write_text_item(concept: Code, text: str) -> bytes:
    """Return a TEXT item of the acquisition context."""
    return _write_head("HAS ACQ CONTEXT", "TEXT", concept) + write(0x0040A160, "UT", text)


def write_date_item(concept: Code, date: str) -> bytes:
    """Return a DATE item of the acquisition context."""
    return _write_head("HAS ACQ CONTEXT", "DATE", concept) + write(0x0040A121, "DA", date)


def write_time_item(concept: Code, time: str) -> bytes:
    """Return a TIME item of the acquisition context."""
    return _write_head("HAS ACQ CONTEXT", "TIME", concept) + write(0x0040A122, "TM", time)


def write_uid_item(concept: Code, uid: str) -> bytes:
    """Return a UIDREF item of the acquisition context."""
    return _write_head("HAS ACQ CONTEXT", "UIDREF", concept) + write(0x0040A124, "UI", uid)


@lru_cache(maxsize=1024)
def write_number_item(concept: Code, number: int, unit: str) -> bytes:
    """Return a NUM item of the acquisition context; `unit` is an annotation of UCUM such as `{series}`."""
    units = write_sequence(0x004008EA, (write_code(Code(unit, "UCUM", unit.strip("{}"))),))
    value = write_sequence(0x0040A300, (units + write(0x0040A30A, "DS", str(number)),))
    return _write_head("HAS ACQ CONTEXT", "NUM", concept) + value


def write_container(concept: Code, items: list[bytes]) -> bytes:
    """Return a CONTAINER item with what it contains."""
    head = _write_head("CONTAINS", "CONTAINER", concept)
    return head + write(0x0040A050, "CS", "SEPARATE") + write_sequence(0x0040A730, items)


def write_reference(instance: InstanceContent) -> bytes:
    """Return the item that names an instance by class and UID."""
    return write(0x00081150, "UI", instance.sop_class_uid) + write(
        0x00081155, "UI", instance.sop_instance_uid
    )


def write_reference_item(instance: InstanceContent, children: list[bytes] | None = None) -> bytes:
    """Return the item that refers to an instance, with what is said about it."""
    reference = write_sequence(0x00081199, (write_reference(instance),))
    kind = _write_kind("CONTAINS", value_type_of(instance.sop_class_uid))
    return reference + kind + (write_sequence(0x0040A730, children) if children else b"")


@lru_cache(maxsize=1024)
def _write_head(relationship: str, value_type: str, concept: Code) -> bytes:
    return _write_kind(relationship, value_type) + write_sequence(0x0040A043, (write_code(concept),))


@lru_cache(maxsize=64)
def _write_kind(relationship: str, value_type: str) -> bytes:
    return write(0x0040A010, "CS", relationship) + write(0x0040A040, "CS", value_type)
