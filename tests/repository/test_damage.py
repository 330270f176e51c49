"""A flipped bit is never sent: the answer ends before it, and the alarm names the instance."""

import pytest

from deploy.exporting import DamagedInstance, export_instance
from registry.models import Instance, Study
from repository.damage import mend, note_damage
from repository.models import Damage, Pack
from repository.packs.reader import CorruptBlock
from repository.retrieve import instances_to_send, stream_file
from tests.support import dicom

pytestmark = pytest.mark.django_db

FILE = "application/dicom; transfer-syntax=*"
MULTIPART = 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.fixture
def damaged(vendor, objects_root):
    """An instance of which one bit of the pixels is wrong on disk: its path."""
    study, series_uid = dicom.StudyFacts(), dicom.make_uid()
    assert vendor.store(dicom.make_ct(study, series_instance_uid=series_uid)).status_code == 200
    [path] = objects_root.rglob("*.pack")
    row = Instance.objects.get()
    flip(path, row.offset + row.length - 100)
    return f"/studies/{study.study_instance_uid}/series/{series_uid}/instances/{row.sop_instance_uid}"


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("suffix", "accept"),
    [
        ("", FILE),
        ("", MULTIPART),
        ("/frames/1", "application/octet-stream"),
        ("/frames/1", 'multipart/related; type="application/octet-stream"'),
        ("/bulkdata/7FE00010", "application/octet-stream"),
        ("/rendered", "image/jpeg"),
        ("/frames/1/rendered", "image/png"),
    ],
)
def test_no_answer_holds_the_flipped_bit(vendor, damaged, suffix, accept):
    vendor.client.raise_request_exception = False
    try:
        response = vendor.get(damaged + suffix, accept)
        body = b"".join(response.streaming_content) if response.streaming else response.content
    except CorruptBlock:  # the server cuts the connection here
        body = b""
    else:
        assert response.status_code == 500
        assert len(body) < 1000
    found = Damage.objects.get()
    assert found.sop_instance_uid == damaged.rsplit("/", 1)[1]
    assert (found.pack_key, found.mended_at) == (Pack.objects.get().key, None)


def test_neither_a_delivery_nor_an_export_gives_it_away(vendor, damaged, tmp_path):
    [item] = instances_to_send(Study.objects.get())
    with pytest.raises(CorruptBlock):
        b"".join(stream_file(item))
    with pytest.raises(DamagedInstance):
        export_instance(item, tmp_path / "export")
    assert not list((tmp_path / "export").rglob("*.dcm"))
    assert Damage.objects.count() == 1


def test_a_converted_instance_does_not_hold_it_either(vendor, objects_root):
    assert vendor.store(dicom.make_ct(transfer_syntax_uid="1.2.840.10008.1.2")).status_code == 200
    [path] = objects_root.rglob("*.pack")
    [item] = instances_to_send(Study.objects.get())
    flip(path, item.offset + item.length - 100)
    with pytest.raises(CorruptBlock):
        b"".join(stream_file(item, "default"))
    assert Damage.objects.get().sop_instance_uid == item.sop_instance_uid


def test_metadata_needs_no_pack_and_is_answered(vendor, damaged):
    assert vendor.get(f"{damaged}/metadata").status_code == 200
    assert not Damage.objects.exists()


def test_a_missing_pack_is_damage_only_while_it_is_live(vendor, objects_root):
    vendor.store(dicom.make_ct())
    [path] = objects_root.rglob("*.pack")
    path.unlink()
    vendor.client.raise_request_exception = False
    uid = Study.objects.get().study_instance_uid
    assert vendor.get(f"/studies/{uid}", MULTIPART).status_code == 500
    assert Damage.objects.get().detail.startswith("UnknownObject")
    Damage.objects.all().delete()
    Pack.objects.update(state=Pack.GONE)
    assert vendor.get(f"/studies/{uid}", MULTIPART).status_code == 500
    assert not Damage.objects.exists()


def test_what_is_found_whole_again_is_mended(vendor):
    vendor.store(dicom.make_ct())
    key = Pack.objects.get().key
    note_damage(key, "a bad block", "1.2.3")
    note_damage(key, "another bad block", "1.2.3")
    assert Damage.objects.count() == 1
    assert mend(key, {"1.2.4"}) == 0
    assert mend(key) == 1
    assert mend(key) == 0
    note_damage(key, "bad again", "1.2.3")
    assert Damage.objects.get().mended_at is None
