"""Studies, series and instances as a zip archive."""

import io
import re
import zipfile

import pytest
from pydicom import dcmread

from tests.repository.reading import body_of, path_of
from tests.support import dicom

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(vendor):
    """A study of two series, one of them compressed."""
    study = dicom.StudyFacts(patient_name="Hemlig^Person")
    files = (
        *dicom.make_series(study, 2, series_number=2),
        *dicom.make_series(study, 2, series_number=1, transfer_syntax_uid=dicom.RLE),
    )
    assert vendor.store(*files).status_code == 200
    return files


@pytest.mark.parametrize(("level", "count"), [("study", 4), ("series", 2), ("instance", 1)])
def test_an_archive_holds_the_files_as_they_were(vendor, files, level, count):
    response = vendor.get(path_of(files[2], level), "application/zip; transfer-syntax=*")
    assert response["Content-Type"] == "application/zip"
    assert response["Content-Disposition"] == f'attachment; filename="{level}.zip"'
    archive = zipfile.ZipFile(io.BytesIO(body_of(response)))
    names = archive.namelist()
    assert len(set(names)) == count
    assert all(re.fullmatch(r"S\d{5}/I\d{6}\.dcm", name) for name in names)
    assert {archive.read(name)[128:] for name in names} <= {file[128:] for file in files}
    if level == "study":
        assert dcmread(io.BytesIO(archive.read(names[0]))).SeriesNumber == 1


def test_without_a_transfer_syntax_files_are_decoded(vendor, files):
    archive = zipfile.ZipFile(
        io.BytesIO(body_of(vendor.get(path_of(files[0], "study") + "?accept=application/zip")))
    )
    assert len(archive.namelist()) == 4
    for name in archive.namelist():
        assert dcmread(io.BytesIO(archive.read(name))).file_meta.TransferSyntaxUID == dicom.EXPLICIT


def test_an_archive_takes_a_place_and_has_a_weak_tag(vendor, files, settings):
    path = path_of(files[0], "study")
    tag = vendor.get(path, "application/zip")["ETag"]
    assert tag.startswith('W/"')
    again = vendor.client.get(
        f"/dicom-web{path}", headers={**vendor.headers, "Accept": "application/zip", "If-None-Match": tag}
    )
    assert (again.status_code, again.content) == (304, b"")
    settings.MAX_DOWNLOADS = 0
    assert vendor.get(path, "application/zip").status_code == 503


def test_a_bad_first_block_is_no_archive(vendor, files, objects_root):
    [pack] = objects_root.rglob("*.pack")
    data = bytearray(pack.read_bytes())
    data[data.find(files[1][200:400]) + 50] ^= 1
    pack.write_bytes(data)
    response = vendor.get(path_of(files[0], "study"), "application/zip; transfer-syntax=*")
    assert response.status_code == 500
