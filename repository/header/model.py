"""What is known about one PS3.10 file once its header was read."""

from dataclasses import dataclass, field
from typing import Any, Literal

MAX_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class PixelElement:
    """The element that holds the pixels.

    Attributes
    ----------
    tag
        "7FE00010", "7FE00008" (float) or "7FE00009" (double float).
    value_offset
        Bytes from the start of the file to the first byte of the value; None in a deflated data set.
    value_length
        Bytes of the value; None if its length is undefined (encapsulated).
    """

    tag: str
    vr: str
    value_offset: int | None
    value_length: int | None


@dataclass(frozen=True, slots=True)
class BulkValue:
    """A value that the JSON model replaces by a BulkDataURI.

    Attributes
    ----------
    path
        Tags and item indexes (from 0), such as "7FE00010" or "54000100/0/54001010".
    offset, length
        Bytes from the start of the file; of an encapsulated value all its items without the delimiter.
    """

    path: str
    offset: int
    length: int
    vr: str


@dataclass(frozen=True, slots=True)
class Header:
    """The header of one PS3.10 file.

    Attributes
    ----------
    attributes
        The DICOM JSON model, elements in tag order.
    json
        `attributes` as UTF-8 JSON.
    bulk_values
        Where the values behind the BulkDataURIs lie.
    has_unaddressed_bulk
        True if some of those values cannot be served as a range of the file (deflated, big endian, ...):
        they need the transcoder.
    warnings
        What is odd about the file, readable, without values of the patient.
    contradicts_sop_class
        True if one of the warnings says that the data set is not what its SOP class promises.
    parsed_by
        "strict" for our own reader, "pydicom" for the lenient one.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    attributes: dict[str, Any]
    json: bytes
    pixel: PixelElement | None
    bulk_values: tuple[BulkValue, ...]
    has_unaddressed_bulk: bool
    warnings: tuple[str, ...]
    parsed_by: Literal["strict", "pydicom"]
    contradicts_sop_class: bool = False


@dataclass(slots=True)
class Findings:
    """What a reader collects on its way through the data set."""

    warnings: dict[str, None] = field(default_factory=dict)
    bulk: list[tuple[dict[str, Any], str, int | None, int, str]] = field(default_factory=list)
    pixel: PixelElement | None = None
    elements: int = 0
    escapes: int = 0
    contradicts_sop_class: bool = False

    @property
    def is_full(self) -> bool:
        """Whether another warning would be dropped: then it need not be worded."""
        return len(self.warnings) >= MAX_WARNINGS

    def contradict(self, text: str) -> None:
        """Note a warning that is about the SOP class: the data set is not what it promises."""
        self.contradicts_sop_class = True
        self.warn(text)

    def warn(self, text: str) -> None:
        """Note a warning once; after `MAX_WARNINGS` different ones the rest is dropped."""
        if not self.is_full:
            self.warnings[text] = None

    def add_bulk(self, element: dict[str, Any], path: str, offset: int | None, length: int) -> None:
        """Note that `element` gets a BulkDataURI; `offset` None if the bytes cannot be served as they lie."""
        self.bulk.append((element, path, offset, length, element["vr"]))
