"""Other people's files through a real server and back: one request a folder, every byte and every pixel compared.

The sample data beside the checkout is used where it is; else the files that pydicom brings along.
"""

import email
import io
import json
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom.dataset import Dataset

from deploy.importing.stow_client import StowServer
from repository.header.errors import MissingFileMeta
from repository.header.model import Header
from repository.part10 import Part10Error, complete_file, read_header
from scripts.write_refusals import PAGE, build_page, read_expectations, send_samples
from tests.repository.dicom_files import SHARED, normalise, read_with_pydicom
from tests.support.dicom import content_type, make_boundary, multipart_body
from tests.support.http import bearer, make_pool
from tests.support.samsyn import SamsynServer

pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore::UserWarning:pydicom")]

PACKAGED = Path(pydicom.__file__).parent / "data" / "test_files"
ROOTS = tuple(SHARED / name for name in ("files", "derived")) if SHARED.is_dir() else (PACKAGED,)
PREAMBLE_BYTES = 128
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
REWRITTEN = (IMPLICIT, "1.2.840.10008.1.2.2")
# Those pydicom decodes with numpy and Pillow, as they are; of lossy ones decoders differ by rounding.
COMPARED = (*REWRITTEN, EXPLICIT, "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90")


@dataclass(slots=True)
class Sent:
    """Everything that was sent: `files` under each SOP Instance UID, `answers` of the folders, `stored` UIDs."""

    client: DICOMwebClient
    files: dict[str, list[tuple[Path, bytes, Header]]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[Path, tuple[int, Dataset]] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)


def list_folders() -> dict[Path, list[Path]]:
    folders: dict[Path, list[Path]] = defaultdict(list)
    for root in ROOTS:
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix not in (".py", ".md", ".txt"):
                folders[path.parent].append(path)
    return folders


def read_complete(content: bytes) -> tuple[bytes, Header]:
    """Return the file as it is kept, with preamble and file meta, and its header."""
    try:
        return content, read_header(content)
    except MissingFileMeta:
        content = complete_file(content)
        return content, read_header(content)


def connect(server: SamsynServer) -> DICOMwebClient:
    session = requests.Session()
    session.headers.update(bearer(server.issue_token()))
    return DICOMwebClient(server.dicomweb_url, session=session)


@pytest.fixture(scope="module")
def sent(samsyn_server: SamsynServer) -> Sent:
    """Every file as it lies there, one request a folder."""
    sent = Sent(connect(samsyn_server))
    for folder, paths in list_folders().items():
        contents = [path.read_bytes() for path in paths]
        for path, content in zip(paths, contents, strict=True):
            try:
                kept, header = read_complete(content)
            except Part10Error:
                continue
            sent.files[header.sop_instance_uid].append((path, kept, header))
        sent.answers[folder] = status, answer = post(sent.client, contents)
        assert status in (200, 202, 409), (folder, answer)
        sent.stored |= {item.ReferencedSOPInstanceUID for item in answer.get("ReferencedSOPSequence", [])}
    return sent


def post(client: DICOMwebClient, contents: list[bytes]) -> tuple[int, Dataset]:
    boundary = make_boundary()
    response = client._session.post(
        f"{client.base_url}/studies",
        data=multipart_body(contents, boundary),
        headers={"Content-Type": content_type(boundary), "Accept": "application/dicom+json"},
        timeout=120,
    )
    return response.status_code, Dataset.from_json(response.text)


def list_kept(sent: Sent) -> Iterator[tuple[Path, bytes, Header]]:
    """Yield the stored instances: of several files under one UID the first that could be."""
    for uid in sorted(sent.stored):
        yield sent.files[uid][0]


def list_some(sent: Sent) -> Iterator[tuple[Path, bytes, Header]]:
    """Yield at most four instances of each series: those of one series are alike."""
    seen: Counter[str] = Counter()
    for path, content, header in list_kept(sent):
        seen[header.series_instance_uid] += 1
        if seen[header.series_instance_uid] <= 4:
            yield path, content, header


def get(client: DICOMwebClient, path: str, accept: str) -> requests.Response:
    response = client._session.get(f"{client.base_url}{path}", headers={"Accept": accept}, timeout=120)
    return cast("requests.Response", response)


def path_of(header: Header) -> str:
    series = f"/studies/{header.study_instance_uid}/series/{header.series_instance_uid}"
    return f"{series}/instances/{header.sop_instance_uid}"


def parts_of(response: requests.Response) -> list[bytes]:
    head = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + response.content)
    return [
        cast("bytes", part.get_payload(decode=True)) for part in message.walk() if not part.is_multipart()
    ]


def read(content: bytes) -> Dataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(io.BytesIO(content))


def test_one_request_a_folder_settles_every_file(sent: Sent) -> None:
    """Whatever lies beside it, a file that can be stored is stored, and each other one has a reason."""
    merged_patients = set()
    for folder, (_, answer) in sent.answers.items():
        stored = answer.get("ReferencedSOPSequence", [])
        failed = [*answer.get("FailedSOPSequence", []), *answer.get("OtherFailuresSequence", [])]
        assert len(stored) + len(failed) == len(list_folders()[folder]), folder
        for item in failed:
            assert item.FailureReason in (0x0110, 0x0111, 0xA900, 0xC000, 0xC122), folder
            assert len(item.ErrorComment) > 10, folder
            if "belongs to another patient" in item.ErrorComment:
                merged_patients.add(item.ReferencedSOPInstanceUID)
    assert sent.stored == set(sent.files) - merged_patients


def test_studies_come_back_byte_for_byte(sent: Sent) -> None:
    """Those received in Implicit VR or Big Endian as Explicit VR Little Endian with an equal data set."""
    kept = {header.sop_instance_uid: (path, content, header) for path, content, header in list_kept(sent)}
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    compared = 0
    for study in sorted({header.study_instance_uid for _, _, header in kept.values()}):
        response = get(sent.client, f"/studies/{study}", accept)
        assert response.status_code == 200, response.text
        for part in parts_of(response):
            path, content, header = kept[read_header(part).sop_instance_uid]
            compared += 1
            if header.transfer_syntax_uid in REWRITTEN:
                assert find_differences(read(content), read(part)) == [], path
            else:
                assert part[PREAMBLE_BYTES:] == content[PREAMBLE_BYTES:], path
    assert compared == len(kept)


def find_differences(received: Dataset, answer: Dataset) -> list[Any]:
    """Return the elements that differ; binary values of big endian are compared as pixels elsewhere."""
    assert answer.file_meta.TransferSyntaxUID == EXPLICIT
    is_big_endian = not received.original_encoding[1]
    found: list[Any] = []
    for mine, theirs in list_pairs(answer, received):
        if mine is None or theirs is None:
            found.append((mine, theirs))
        elif is_big_endian and (theirs.VR in ("OB", "OW", "UN") or theirs.tag.is_private):
            # UN is little endian everywhere (PS3.5 6.2.2), which pydicom does not know of private elements.
            continue
        elif mine.VR != "UN" and str(mine.value) != str(theirs.value):
            found.append((mine, theirs))
    return found


def list_pairs(answer: Dataset, received: Dataset) -> Iterator[tuple[Any, Any]]:
    for tag in sorted({*answer.keys(), *received.keys()}):
        if tag.element == 0:
            continue
        mine, theirs = (data_set.get(tag) for data_set in (answer, received))
        both = mine is not None and theirs is not None
        if both and theirs.VR == "SQ" and mine.VR == "SQ" and len(mine.value) == len(theirs.value):
            for one, other in zip(mine.value, theirs.value, strict=True):
                yield from list_pairs(one, other)
        else:
            yield mine, theirs


def test_metadata_of_studies_equals_what_pydicom_makes_of_the_files(sent: Sent) -> None:
    kept = {header.sop_instance_uid: (path, content, header) for path, content, header in list_kept(sent)}
    compared = unreadable = 0
    for study in sorted({header.study_instance_uid for _, _, header in kept.values()}):
        documents = json.loads(
            get(sent.client, f"/studies/{study}/metadata", "application/dicom+json").content
        )
        for document in documents:
            path, content, header = kept[document["00080018"]["Value"][0]]
            try:
                expected = read_with_pydicom(content)
            except (ValueError, NotImplementedError):
                unreadable += 1
                continue
            if any("trailing bytes" in warning for warning in header.warnings):
                expected = {key: element for key, element in expected.items() if key <= "7FE00010"}
            assert normalise(document) == normalise(expected), path
            compared += 1
    assert compared + unreadable == len(kept)
    assert unreadable <= 4


def test_metadata_of_an_instance_and_series_is_that_of_the_study(sent: Sent) -> None:
    by_study = {header.study_instance_uid: header for _, _, header in list_kept(sent)}
    for header in by_study.values():
        instance = path_of(header)
        [document] = get(sent.client, f"{instance}/metadata", "application/dicom+json").json()
        series = instance.partition("/instances/")[0]
        for parent in (series, f"/studies/{header.study_instance_uid}"):
            assert document in get(sent.client, f"{parent}/metadata", "application/dicom+json").json()


def test_bulk_data_and_frames_and_pictures_come_or_the_answer_says_why_not(sent: Sent) -> None:
    """No image is too odd for an answer; what pydicom decodes has the same pixels here."""
    compared = 0
    for path, content, header in list_some(sent):
        instance = path_of(header)
        octets = get(sent.client, f"{instance}/frames/1", "application/octet-stream")
        picture = get(sent.client, f"{instance}/rendered", "image/png")
        for answer in (octets, picture):
            assert answer.status_code in (200, 404, 406), (path, answer.text)
            assert answer.ok or len(answer.json()["error"]) > 10, path
        if header.pixel is None:
            assert not octets.ok, path
            continue
        stored = get(sent.client, f"{instance}/frames/1", "*/*")
        assert stored.status_code in (200, 404, 406), (path, stored.text)
        bulk = get(sent.client, f"{instance}/bulkdata/{header.pixel.tag}", "application/octet-stream")
        assert bulk.ok or (bulk.status_code == 406 and not octets.ok), (path, bulk.text)
        expected = decode_first_frame(content) if header.transfer_syntax_uid in COMPARED else None
        if expected is not None:
            assert picture.ok, (path, picture.text)
            assert Image.open(io.BytesIO(picture.content)).size[0] > 0
            assert np.array_equal(shape_frame(octets.content, expected, header), expected), path
            compared += 1
    assert compared > 30


def decode_first_frame(content: bytes) -> np.ndarray | None:
    """Return the first frame as pydicom decodes it, colours as they are stored; None if it cannot."""
    data_set = read(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = pydicom.pixels.pixel_array(data_set, raw=True, index=0)
    except (ValueError, AttributeError, RuntimeError, NotImplementedError, TypeError):
        return None
    little: np.ndarray = pixels.astype(pixels.dtype.newbyteorder("<"))
    return little


def shape_frame(octets: bytes, expected: np.ndarray, header: Header) -> np.ndarray:
    """Give the bytes of a frame the shape that pydicom gives them, without the bits beyond those stored."""
    bits = header.attributes.get("00280100", {}).get("Value", [8])[0]
    if bits == 1:
        flat = np.unpackbits(np.frombuffer(octets, np.uint8), bitorder="little")[: expected.size]
        return flat.reshape(expected.shape)
    frame = np.frombuffer(octets, expected.dtype)[: expected.size]
    if frame.size * 3 == expected.size * 2:
        # Two neighbours share their chroma: Y Y Cb Cr (PS3.3 C.7.6.3.1.2).
        frame = frame.reshape(-1, 4)[:, [0, 2, 3, 1, 2, 3]].ravel()
    in_planes = header.attributes.get("00280006", {}).get("Value", [0])[0] == 1
    if expected.ndim == 3 and in_planes and header.transfer_syntax_uid in (*REWRITTEN, EXPLICIT):
        return frame.reshape(expected.shape[2], *expected.shape[:2]).transpose(1, 2, 0)
    is_native = header.transfer_syntax_uid in (*REWRITTEN, EXPLICIT)
    if expected.dtype.kind in "iu" and is_native:
        unused = bits - header.attributes["00280101"]["Value"][0]
        frame = frame << unused >> unused
    return frame.reshape(expected.shape)


def test_a_client_that_writes_the_files_anew_is_understood(start_embedded: Any) -> None:
    """dicomweb-client sends what pydicom makes of each data set it read; and reads it again from here."""
    client = connect(start_embedded())
    written: dict[str, Dataset] = {}
    for paths in list_folders().values():
        batch = {}
        for path in paths[:25]:
            encoded = write_anew(path)
            if encoded is not None and encoded.SOPInstanceUID not in written:
                batch[encoded.SOPInstanceUID] = encoded
        if not batch:
            continue
        try:
            answer = client.store_instances(list(batch.values()))
        except requests.HTTPError as error:
            # It raises where nothing of the folder was stored, and only then may it.
            if error.response.status_code != 409:
                raise
            continue
        written |= {
            item.ReferencedSOPInstanceUID: batch[item.ReferencedSOPInstanceUID]
            for item in answer.get("ReferencedSOPSequence", [])
        }
    assert len(written) > 40
    for uid, data_set in sorted(written.items())[::10]:
        found = client.retrieve_instance(data_set.StudyInstanceUID, data_set.SeriesInstanceUID, uid)
        assert found.SOPInstanceUID == uid
        assert found.get("PatientName") == data_set.get("PatientName")


def write_anew(path: Path) -> Dataset | None:
    """Return a data set that pydicom can read and write, None for any other file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data_set = pydicom.dcmread(path, force=True)
            data_set.save_as(io.BytesIO())
            return data_set if data_set.SOPInstanceUID and data_set.StudyInstanceUID else None
        except Exception:  # noqa: BLE001 (what pydicom cannot write its client cannot send)
            return None


def test_the_page_of_refusals_says_what_the_server_says(start_embedded: Any) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.startswith("# Which real-world files are refused, and why")
    if SHARED.is_dir():
        server = start_embedded()
        verdicts = send_samples(StowServer(server.dicomweb_url, server.issue_token(), make_pool()), SHARED)
        assert build_page(verdicts, read_expectations(SHARED)) == page
