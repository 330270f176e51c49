"""Sample files for the tests of headers, and pydicom's view of them."""

import warnings
from functools import lru_cache
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any

import pydicom
from pydicom.data import get_testdata_files
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@lru_cache(maxsize=1)
def list_packaged_files() -> tuple[Path, ...]:
    """Return the files pydicom brings along; nothing is downloaded."""
    return tuple(sorted(Path(name) for name in get_testdata_files() if Path(name).is_file()))


@lru_cache(maxsize=1)
def list_shared_files() -> tuple[Path, ...]:
    """Return the project's sample files; none where they are not at hand."""
    folders = (SHARED / "files", SHARED / "derived")
    return tuple(sorted(path for folder in folders for path in folder.rglob("*") if path.is_file()))


def make_data_set(**attributes: Any) -> Dataset:
    """Return a small data set with the four identifying UIDs."""
    data_set = Dataset()
    data_set.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data_set.SOPInstanceUID = generate_uid(entropy_srcs=["instance"])
    data_set.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    data_set.SeriesInstanceUID = generate_uid(entropy_srcs=["series"])
    data_set.PatientID = "191212121212"
    for keyword, value in attributes.items():
        setattr(data_set, keyword, value)
    return data_set


def write_file(data_set: Dataset, transfer_syntax_uid: str = ExplicitVRLittleEndian, **options: Any) -> bytes:
    """Return the PS3.10 file of a data set as pydicom writes it."""
    data_set.file_meta = pydicom.dataset.FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = transfer_syntax_uid
    target = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set.save_as(target, enforce_file_format=True, **options)
    return target.getvalue()


def read_with_pydicom(data: bytes) -> dict[str, Any]:
    """Return pydicom's DICOM JSON of a file; bulk values as BulkDataURI "bulk"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(BytesIO(data))
        model: dict[str, Any] = data_set.to_json_dict(1368, lambda element: "bulk")
    return model


def normalise(attributes: dict[str, Any]) -> dict[str, Any]:
    """Level what pydicom and we write differently on purpose; see `_normalise_element` for the reasons."""
    return {
        key: _normalise_element(key, element)
        for key, element in sorted(attributes.items())
        # Group lengths are not part of the model (PS3.18 F.2), trailing padding has no meaning (PS3.10 7.2).
        if not key.endswith("0000") and key != "FFFCFFFC"
    }


def _normalise_element(key: str, element: dict[str, Any]) -> dict[str, Any]:
    vr = element["vr"]
    if key == "00080005":
        # JSON is UTF-8 whatever the file was in.
        return {"vr": "CS"}
    if " or " in vr:
        # pydicom leaves an ambiguous VR it cannot settle; there is no such VR in the model.
        return {"vr": "ambiguous"}
    if "BulkDataURI" in element or key in ("7FE00008", "7FE00009", "7FE00010"):
        # Pixel data is always bulk here; pydicom sends a small one inline, and counts the padding of base64.
        return {"vr": vr, "bulk": "BulkDataURI" in element or "InlineBinary" in element}
    if "InlineBinary" in element:
        return element
    values = element.get("Value", [])
    values = [normalise(value) if vr == "SQ" else _normalise_value(vr, value) for value in values]
    # No value is no "Value" (F.2.5); pydicom writes an empty list for an empty sequence, [""] for blanks.
    return {"vr": vr, "Value": values} if values not in ([], [None]) else {"vr": vr}


def _normalise_value(vr: str, value: Any) -> Any:
    if vr == "PN" and value is not None:
        # Empty component groups are left out (F.2.2).
        groups = {group: name.replace("\0", "").rstrip() for group, name in value.items()}
        return {group: name for group, name in groups.items() if name} or None
    if isinstance(value, float):
        # NaN and the infinities are no JSON numbers.
        if not isfinite(value):
            return {"nan": "NaN", "inf": "inf", "-inf": "-inf"}[str(value)]
        return float(value)
    if isinstance(value, str):
        # NUL is dropped; blanks around a value have no meaning; an empty value among others is null (F.2.5).
        return value.replace("\0", "").strip() or None
    return value
