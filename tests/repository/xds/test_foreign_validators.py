"""Manifests of stored images, held by the validators of dicom3tools to the standard and to the images."""

import shutil
import subprocess

import pytest

from access.database import write_transaction
from registry import changes
from registry.models import DocumentEntry
from repository.document_store import open_document
from repository.xds.publish import publish_due
from tests.support.dicom import StudyFacts, make_series

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dicom3tools is installed by the scripts"),
]


@pytest.fixture
def files(vendor, tmp_path):
    """Two images and the manifests of their study, by name."""
    facts = StudyFacts()
    images = make_series(facts, 2)
    assert vendor.store(*images).status_code == 200
    with write_transaction():
        changes.append("study_quiet", facts.study_instance_uid, {"generation": 1})
    assert publish_due() == 1
    bodies = {f"image{n}": image for n, image in enumerate(images)}
    for entry in DocumentEntry.objects.filter(mime_type="application/dicom"):
        bodies[entry.maker] = b"".join(open_document(entry.unique_id)[1])
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    return {name: tmp_path / name for name in bodies}


def find_errors(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines() + done.stdout.splitlines()
    assert lines  # it says at least what it takes the file for
    return {line for line in lines if line.startswith("Error")}


def test_the_classic_key_object_is_a_manifest_to_dciodvfy(files):
    assert find_errors("dciodvfy", "-profile", "IHEXDSIManifest", files["kos"]) == set()


def test_the_mado_key_object_differs_only_in_the_value_types_that_mado_adds(files):
    assert find_errors("dciodvfy", "-profile", "IHEXDSIManifest", files["mado"]) == {
        f"Error - Unrecognized enumerated value <{added}> for value 1 of attribute <Value Type>"
        for added in (
            "NUM",
            "DATE",
            "TIME",
        )  # of the image library, which the validator's key object does not have
    }


@pytest.mark.parametrize("maker", ["kos", "mado"])
def test_manifests_are_of_the_same_patient_and_study_as_the_images_to_dcentvfy(files, maker):
    assert find_errors("dcentvfy", files["image0"], files["image1"], files[maker]) == set()
