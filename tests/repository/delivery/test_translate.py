"""A receiver's own numbers in what it gets: found there by them, the former ones told, the pixels untouched."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread

from registry.models import Destination, Harmonised, Order, PatientIdentifier, Study
from repository.coercion import ACCESSION_NUMBER, PATIENT_ID, PROCEDURE_CODES, Change, Stamp
from repository.delivery.contents.translate import Translation, translate
from repository.delivery.duties import plan_deliveries, send_ready
from repository.models import Delivery
from tests.repository.delivery.conftest import PACKS
from tests.support.dicom import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, RLE, StudyFacts, make_ct
from tests.support.dimse import run_storescp
from tests.support.receiver import Receiver

LOCAL = "1.2.752.99.7"
TRANSLATION = Translation(
    (
        Change(ACCESSION_NUMBER, ""),
        Change(PATIENT_ID, "LUND-7"),
        Change(PROCEDURE_CODES, ("8000", "99LUND", "DT hjärna")),
    ),
    Stamp("20261124120000.000000+0100", "SE-X"),
)


def cut(data: bytes, block_bytes: int) -> Callable[..., Iterator[bytes]]:
    def read(_wanted: str = "*") -> Iterator[bytes]:
        for start in range(0, len(data), block_bytes):
            yield data[start : start + block_bytes]

    return read


def read_files(receiver: Receiver) -> list[bytes]:
    return [part for request in receiver.requests for part in request.parts]


@pytest.fixture
def lund(region, receiver: Receiver) -> Destination:
    receiver.read_uid = lambda content: str(dcmread(io.BytesIO(content)).SOPInstanceUID)
    destination: Destination = region.destination
    destination.translates = True
    destination.patient_issuer, destination.accession_issuer = LOCAL, "SE-LUND"
    destination.procedure_codes = {"R-CT-HEAD": ["8000", "99LUND", "DT hjärna"]}
    destination.save()
    return destination


@given(st.integers(1, 3000), st.sampled_from([EXPLICIT, IMPLICIT, RLE]))
def test_a_file_is_translated_the_same_however_it_is_cut(block_bytes, syntax):
    data = make_ct(transfer_syntax_uid=syntax)
    opened = translate(cut(data, block_bytes), syntax, TRANSLATION)
    made = b"".join(opened())
    before, after = dcmread(io.BytesIO(data)), dcmread(io.BytesIO(made))
    assert (after.PatientID, after.AccessionNumber) == ("LUND-7", "")
    code = after.ProcedureCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning) == ("8000", "99LUND", "DT hjärna")
    former = after.OriginalAttributesSequence[-1].ModifiedAttributesSequence[0]
    assert (former.PatientID, former.AccessionNumber) == (before.PatientID, before.AccessionNumber)
    assert after.PixelData == before.PixelData
    assert b"".join(translate(cut(data, 1 << 20), syntax, TRANSLATION)()) == made


def test_a_receiver_gets_its_own_numbers_and_the_former_ones_beside_them(lund, store_quiet, tmp_path: Path):
    facts = StudyFacts(accession_number="A1")
    store_quiet(*(make_ct(facts, transfer_syntax_uid=syntax) for syntax in (DEFLATED, BIG_ENDIAN, RLE)))
    study = Study.objects.get()
    PatientIdentifier.objects.create(patient=study.person, value="LUND-7", issuer=LOCAL)
    order = Order.objects.create(
        patient=study.person, accession_number="L-44", accession_issuer="SE-LUND", placer_order_number="1"
    )
    order.studies.add(study)
    Harmonised.objects.update_or_create(
        study=study, defaults={"version": 1, "procedure_code": "R-CT-HEAD", "made_at": timezone.now()}
    )
    with run_storescp(tmp_path / "got", "PACS", "+xa") as port:
        Destination.objects.update(url=f"dicom://127.0.0.1:{port}", called_ae_title="PACS")
        plan_deliveries()
        assert send_ready("worker", PACKS)
    delivery = Delivery.objects.get()
    assert delivery.state == "delivered", delivery.reason
    arrived = [dcmread(path) for path in (tmp_path / "got").iterdir()]
    assert len(arrived) == 3
    for each in arrived:
        assert (each.PatientID, each.IssuerOfPatientID, each.AccessionNumber) == ("LUND-7", LOCAL, "L-44")
        assert each.IssuerOfPatientIDQualifiersSequence[0].UniversalEntityID == LOCAL
        assert each.IssuerOfAccessionNumberSequence[0].LocalNamespaceEntityID == "SE-LUND"
        assert each.ProcedureCodeSequence[0].CodeValue == "8000"
        former = each.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
        assert (former.PatientID, former.AccessionNumber) == ("191212121212", "A1")


def test_a_number_of_another_issuer_is_taken_out_where_the_receiver_has_none(lund, store_quiet, receiver):
    store_quiet(make_ct(StudyFacts(accession_number="A1")))
    plan_deliveries()
    assert send_ready("worker", PACKS)
    [arrived] = [dcmread(io.BytesIO(file)) for file in read_files(receiver)]
    assert (arrived.PatientID, arrived.AccessionNumber) == ("191212121212", "")
    assert arrived.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].AccessionNumber == "A1"


def test_what_cannot_be_translated_is_not_sent_and_the_rest_is(lund, store_quiet, receiver):
    facts, broken = StudyFacts(), Dataset()
    broken.add_new(0x04000561, "LO", "no sequence")
    store_quiet(make_ct(facts, instance_number=1), make_ct(facts, instance_number=2, change=broken))
    plan_deliveries()
    assert send_ready("worker", PACKS)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.reason_code) == ("dead", "instances_refused")
    assert delivery.items.get(state="failed").status.endswith("Original Attributes Sequence is no sequence")
    assert delivery.items.filter(state="delivered").count() == 1
    assert [dcmread(io.BytesIO(file)).InstanceNumber for file in read_files(receiver)] == [1]
