"""How the checks search, and which studies they know."""

from typing import Any, cast

from tests.conformance.archive import DICOM_JSON, Archive
from tests.conformance.wire import Reply

CT, ENCODINGS, DOCUMENTS = "ct1", "rgb", "sr"
ALL = {CT, ENCODINGS, DOCUMENTS}


def search(archive: Archive, target: str, accept: str = DICOM_JSON) -> Reply:
    return archive.ask(target, accept)


def find(archive: Archive, target: str) -> list[dict[str, Any]]:
    answer = search(archive, target)
    assert answer.status == 200, answer.describe()
    return cast("list[dict[str, Any]]", answer.json())


def resources(archive: Archive) -> dict[str, str]:
    ct = archive["ct1"]
    return {
        "/studies": "0020000D",
        "/series": "0020000E",
        "/instances": "00080018",
        f"{ct.study_path}/series": "0020000E",
        f"{ct.study_path}/instances": "00080018",
        f"{ct.series_path}/instances": "00080018",
    }
