"""What a DICOMDIR lists.

Standard: PS3.10 8, PS3.3 F.3
"""

from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

_NAME = "DICOMDIR"


class UnreadableDirectory(ValueError):
    """The file is not a DICOMDIR that can be read; the message says why."""


def is_directory_name(name: str) -> bool:
    """Say whether a file of that name is the directory of its file-set."""
    return name.upper() == _NAME


def list_files(path: Path) -> tuple[Path, ...]:
    """List the files of a file-set that are there, in the order of its DICOMDIR, each once.

    A File ID leads nowhere but into the folder of the DICOMDIR: one that does not is left out.

    Raises
    ------
    UnreadableDirectory
        The DICOMDIR cannot be read.
    """
    return tuple(file for _, file in _match_file_ids(path) if file is not None)


def list_missing_files(path: Path) -> tuple[Path, ...]:
    """List the files that a DICOMDIR speaks of and that are not there; raises as `list_files` does."""
    return tuple(path.parent.joinpath(*file_id) for file_id, file in _match_file_ids(path) if file is None)


def _match_file_ids(path: Path) -> list[tuple[tuple[str, ...], Path | None]]:
    return [(file_id, _find_file(path.parent, file_id)) for file_id in _read_file_ids(path)]


def _read_file_ids(path: Path) -> list[tuple[str, ...]]:
    try:
        dataset = pydicom.dcmread(path)
        records = list(dataset.DirectoryRecordSequence or [])
        values = [record.get("ReferencedFileID") for record in records]
    except (InvalidDicomError, AttributeError, OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise UnreadableDirectory(f"a DICOMDIR that cannot be read: {error}") from error
    parts = [(value,) if isinstance(value, str) else tuple(map(str, value)) for value in values if value]
    return list(dict.fromkeys(parts))


def _find_file(folder: Path, file_id: tuple[str, ...]) -> Path | None:
    """Find a file by its File ID; media and copies of media differ in the case of names and in `.` and `;1`."""
    for part in file_id:
        if part in ("", ".", "..") or "/" in part or not folder.is_dir():
            return None
        exact = folder / part
        if not exact.exists():
            alike = [entry for entry in folder.iterdir() if _fold(entry.name) == _fold(part)]
            if not alike:
                return None
            exact = alike[0]
        folder = exact
    return folder if folder.is_file() else None


def _fold(name: str) -> str:
    return name.upper().removesuffix(";1").removesuffix(".")
