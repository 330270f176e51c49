"""Thumbnails: one small picture at every level, that tells nothing about the patient."""

import io

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.repository.test_rendered import open_picture, path_of
from tests.support import dicom

pytestmark = pytest.mark.django_db


@pytest.fixture
def slices(vendor):
    """A series of three images, larger than a thumbnail, each of one level only."""
    files = dicom.make_series(dicom.StudyFacts(), 3, rows=200, columns=300)
    vendor.store(*files)
    return files


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_there_is_one_picture_at_every_level(vendor, slices, level):
    middle = vendor.get(f"{path_of(slices[1])}/thumbnail")
    path = path_of(slices[1], level)
    response = vendor.get(f"{path}/thumbnail")
    assert (response.status_code, response["Content-Type"]) == (200, "image/jpeg")
    assert response.content == middle.content
    assert open_picture(response.content).size == (128, 85)
    assert vendor.get(f"{path}/thumbnail", "image/png")["Content-Type"] == "image/png"
    assert vendor.get(f"{path}/thumbnail", "image/gif")["Content-Type"] == "image/gif"
    assert vendor.get(f"{path}/thumbnail", "text/html").status_code == 406


def test_viewers_get_what_they_ask_for(vendor, slices):
    """OHIF asks so at instance, series and study level."""
    for level in ("study", "series", "instance"):
        assert vendor.get(f"{path_of(slices[0], level)}/thumbnail", "image/jpeg").status_code == 200
    assert vendor.get(f"{path_of(slices[0])}/rendered", "image/jpeg").status_code == 200


def test_a_frame_has_a_thumbnail_and_a_film_shows_its_middle(vendor):
    file = dicom.make_ct(number_of_frames=5)
    vendor.store(file)
    path = path_of(file)
    third = vendor.get(f"{path}/frames/3/thumbnail")
    assert open_picture(third.content).size == (8, 8)
    assert vendor.get(f"{path}/thumbnail").content == third.content
    assert vendor.get(f"{path}/frames/3,1/thumbnail").content == third.content
    assert vendor.get(f"{path}/frames/6/thumbnail").status_code == 404
    assert vendor.get(f"{path}/frames/x/thumbnail").status_code == 400


def test_the_size_is_the_viewport(vendor, slices):
    path = f"{path_of(slices[0])}/thumbnail"
    assert open_picture(vendor.get(f"{path}?viewport=60,60").content).size == (60, 40)
    assert open_picture(vendor.get(f"{path}?viewport=900,1000").content).size == (900, 600)
    for refused in ("0,0", "2000,20", "60,60,0,0,5,5", "60,60,,,,", "60", ""):
        assert vendor.get(f"{path}?viewport={refused}").status_code == 400


def test_letters_burned_into_an_image_are_not_shown(vendor):
    change = Dataset()
    change.BurnedInAnnotation = "YES"
    file = dicom.make_ct(change=change, rows=64, columns=64)
    vendor.store(file)
    picture = np.asarray(open_picture(vendor.get(f"{path_of(file)}/thumbnail", "image/png").content))
    sheet = set(np.unique(picture).tolist())
    assert 235 in sheet
    assert len(sheet) < 200


def test_what_is_no_image_has_a_sign(vendor):
    dataset = dcmread(io.BytesIO(dicom.make_ct()))
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"):
        delattr(dataset, keyword)
    dataset.Modality, dataset.SOPClassUID = "SR", "1.2.840.10008.5.1.4.1.1.88.11"
    file = dicom.write_file(dataset, dicom.EXPLICIT)
    vendor.store(file)
    for level in ("study", "series", "instance"):
        picture = open_picture(vendor.get(f"{path_of(file, level)}/thumbnail").content)
        assert picture.size == (128, 128)
    assert vendor.get(f"{path_of(file)}/frames/1/thumbnail").status_code == 404


def test_thumbnails_are_conditional_and_permitted(vendor, foreigner, slices):
    path = f"{path_of(slices[0], 'study')}/thumbnail"
    tag = vendor.get(path)["ETag"]
    headers = {**vendor.headers, "If-None-Match": tag}
    assert vendor.client.get(f"/dicom-web{path}", headers=headers).status_code == 304
    assert foreigner.get(path).status_code == 404
    assert isinstance(Image.open(io.BytesIO(vendor.get(path).content)), Image.Image)
