"""What a STOW-RS receiver likes, refuses or finds too large."""

import io

import pytest
from pydicom import dcmread

from registry.models import Destination
from repository.delivery.duties import plan_deliveries, send_ready
from repository.models import Delivery
from tests.repository.delivery.conftest import PACKS
from tests.support.dicom import EXPLICIT, RLE, StudyFacts, make_ct
from tests.support.receiver import Receiver, refuse

pytestmark = pytest.mark.django_db

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


@pytest.fixture
def send(region, store_quiet, receiver: Receiver):
    """Store an instance at the hospital and make one attempt; returns what came of it and the files that left."""
    receiver.read_uid = lambda content: str(dcmread(io.BytesIO(content)).SOPInstanceUID)

    def act(*files: bytes):
        store_quiet(*files)
        plan_deliveries()
        assert send_ready("worker", PACKS)
        left = [dcmread(io.BytesIO(part)) for request in receiver.requests for part in request.parts]
        return Delivery.objects.get(), left

    return act


def syntaxes_of(files):
    return [str(file.file_meta.TransferSyntaxUID) for file in files]


@pytest.mark.parametrize(
    ("stored", "liked", "gets"),
    [
        (RLE, [], RLE),
        (RLE, [EXPLICIT, RLE], RLE),
        (EXPLICIT, [RLE], RLE),
        (RLE, [JPEG_BASELINE, EXPLICIT], EXPLICIT),
    ],
)
def test_the_first_syntax_that_is_liked_and_can_be_made(send, stored, liked, gets):
    Destination.objects.update(transfer_syntaxes=liked)
    file = make_ct(transfer_syntax_uid=stored)
    delivery, left = send(file)
    assert delivery.state == "delivered", delivery.reason
    assert syntaxes_of(left) == [gets]
    assert (left[0].pixel_array == dcmread(io.BytesIO(file)).pixel_array).all()


def test_what_is_refused_in_its_syntax_goes_again_unpacked(send, receiver):
    facts = StudyFacts()
    packed, plain = (
        make_ct(facts, instance_number=n, transfer_syntax_uid=s) for n, s in ((1, RLE), (2, EXPLICIT))
    )
    uid = str(dcmread(io.BytesIO(packed)).SOPInstanceUID)
    receiver.script = [refuse(409, uid, reason=0xC122)]
    delivery, left = send(packed, plain)
    assert delivery.state == "delivered", delivery.reason
    assert sorted(syntaxes_of(left)) == [EXPLICIT, EXPLICIT, RLE]
    attempt = delivery.attempt_rows.get()
    assert (attempt.instances_ok, attempt.instances_failed) == (2, 0)


def test_what_is_refused_unpacked_as_well_is_given_up(send, receiver):
    file = make_ct(transfer_syntax_uid=RLE)
    uid = str(dcmread(io.BytesIO(file)).SOPInstanceUID)
    receiver.script = [refuse(409, uid, reason=0xC122)] * 2
    delivery, left = send(file)
    assert (delivery.state, delivery.reason_code) == ("dead", "instances_refused")
    assert syntaxes_of(left) == [RLE, EXPLICIT]


def test_what_is_larger_than_the_receiver_takes_is_not_sent(send):
    Destination.objects.update(max_instance_bytes=5000)
    facts = StudyFacts()
    delivery, left = send(
        make_ct(facts, instance_number=1), make_ct(facts, instance_number=2, rows=64, columns=64)
    )
    assert (delivery.state, delivery.reason_code) == ("dead", "instances_refused")
    assert [file.InstanceNumber for file in left] == [1]
    assert "the receiver takes 5000" in delivery.reason
