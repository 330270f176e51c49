"""Bytes cut out and in: what pydicom reads afterwards, what stays as it was, and the same bytes made twice."""

import hashlib
from io import BytesIO

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from repository.coercion import (
    ISSUER,
    ISSUER_QUALIFIERS,
    Change,
    Stamp,
    Uncoercible,
    apply_coercion,
    plan_coercion,
    repeat_coercion,
)
from repository.part10 import read_header
from tests.support import dicom

STAMP = Stamp("20260102030405.000000+0100", "SE1-D1")
INSTITUTION = 0x00080080
OID = "1.2.752.129.2.1.3.1"


def coerce(file: bytes, *changes: Change, stamp: Stamp = STAMP) -> bytes:
    return b"".join(apply_coercion(file, plan_coercion(file, read_header(file), changes, stamp)))


def read(file: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(file))


def rewrite(dataset: Dataset, **options) -> bytes:
    target = BytesIO()
    pydicom.dcmwrite(target, dataset, **options)
    return target.getvalue()


@pytest.mark.parametrize("syntax", [dicom.EXPLICIT, dicom.IMPLICIT, dicom.RLE])
def test_new_values_stand_there_and_the_former_beside(syntax):
    file = dicom.make_ct(transfer_syntax_uid=syntax, issuer_oid=None)
    before, after = read(file), read(coerce(file, Change(ISSUER, OID), Change(ISSUER_QUALIFIERS, OID)))
    assert after.IssuerOfPatientID == OID
    [qualifiers] = after.IssuerOfPatientIDQualifiersSequence
    assert (qualifiers.UniversalEntityID, qualifiers.UniversalEntityIDType) == (OID, "ISO")
    [item] = after.OriginalAttributesSequence
    assert (item.ModifyingSystem, item.ReasonForTheAttributeModification) == ("SAMSYN", "COERCE")
    assert (item.AttributeModificationDateTime, item.SourceOfPreviousValues) == (
        STAMP.changed_at,
        STAMP.source,
    )
    [former] = item.ModifiedAttributesSequence
    assert [element.keyword for element in former] == [
        "IssuerOfPatientID",
        "IssuerOfPatientIDQualifiersSequence",
    ]
    assert (former.IssuerOfPatientID, len(former.IssuerOfPatientIDQualifiersSequence)) == ("", 0)
    for keyword in (
        "IssuerOfPatientID",
        "IssuerOfPatientIDQualifiersSequence",
        "OriginalAttributesSequence",
    ):
        delattr(after, keyword)
    assert after == before
    assert after.PixelData == before.PixelData


def test_the_former_value_is_the_sender_s_byte_for_byte():
    change = Dataset()
    change.InstitutionName = "Östra sjukhuset "
    file = dicom.make_ct(change=change)
    coerced = coerce(file, Change(INSTITUTION, "Västra sjukhuset"))
    after = read(coerced)
    assert after.InstitutionName == "Västra sjukhuset"
    [former] = after.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert former.InstitutionName == "Östra sjukhuset"
    encoded = "Östra sjukhuset ".encode(
        {"ISO_IR 192": "utf-8", "ISO_IR 100": "latin-1"}[after.SpecificCharacterSet]
    )
    assert encoded in coerced


@pytest.mark.parametrize("undefined_length", [True, False])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_what_others_changed_before_stays_in_front(undefined_length, syntax):
    dataset = read(dicom.make_ct())
    earlier, former = Dataset(), Dataset()
    former.PatientName = "Before^Marriage"
    former.ReferencedStudySequence = Sequence([Dataset()])
    former.ReferencedStudySequence.is_undefined_length = undefined_length
    earlier.ModifiedAttributesSequence = Sequence([former])
    earlier.AttributeModificationDateTime = "20200101"
    earlier.ModifyingSystem = "OTHER"
    earlier.SourceOfPreviousValues = ""
    earlier.ReasonForTheAttributeModification = "CORRECT"
    dataset.OriginalAttributesSequence = Sequence([earlier])
    dataset["OriginalAttributesSequence"].is_undefined_length = undefined_length
    earlier.is_undefined_length_sequence_item = undefined_length
    dataset.file_meta.TransferSyntaxUID = syntax
    file = rewrite(dataset, implicit_vr=syntax.is_implicit_VR, little_endian=True)
    after = read(coerce(file, Change(INSTITUTION, "Ny")))
    assert [item.ModifyingSystem for item in after.OriginalAttributesSequence] == ["OTHER", "SAMSYN"]
    assert after.OriginalAttributesSequence[0] == earlier


def test_a_group_length_that_would_be_wrong_goes():
    file = dicom.make_ct()
    at = read_offset(file)
    file = file[:at] + b"\x08\x00\x00\x00UL\x04\x00" + (100).to_bytes(4, "little") + file[at:]
    after = read(coerce(file, Change(INSTITUTION, "Ny")))
    assert (0x0008, 0x0000) not in after
    assert after.InstitutionName == "Ny"


def read_offset(file: bytes) -> int:
    return 132 + 12 + int.from_bytes(file[140:144], "little")


def test_a_value_can_be_taken_away():
    file = dicom.make_ct(issuer_oid=OID)
    tag = ISSUER_QUALIFIERS if "IssuerOfPatientIDQualifiersSequence" in read(file) else ISSUER
    after = read(coerce(file, Change(tag, "")))
    assert tag not in after
    assert tag in after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]


@pytest.mark.parametrize("syntax", [dicom.BIG_ENDIAN, dicom.DEFLATED])
def test_what_is_not_plain_little_endian_is_left_alone(syntax):
    with pytest.raises(Uncoercible, match="little endian"):
        coerce(dicom.make_ct(transfer_syntax_uid=syntax), Change(INSTITUTION, "Ny"))


def test_a_value_beyond_the_character_set_is_not_written():
    dataset = read(dicom.make_ct())
    dataset.SpecificCharacterSet = "ISO_IR 100"
    with pytest.raises(Uncoercible, match=r"\(0008,0080\) cannot be written"):
        coerce(rewrite(dataset), Change(INSTITUTION, "病院"))


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), min_size=1, max_size=30)
    .map(str.strip)
    .filter(bool),
    has_name=st.booleans(),
    issuer=st.sampled_from([None, OID]),
    syntax=st.sampled_from([dicom.EXPLICIT, dicom.IMPLICIT]),
)
def test_done_again_it_makes_the_same_bytes_and_of_another_file_others(name, has_name, issuer, syntax):
    change = Dataset()
    change.InstitutionName = "Sjukhuset" if has_name else ""
    study, uids = dicom.StudyFacts(issuer_oid=issuer), [dicom.make_uid() for _ in range(2)]
    file, other = (
        dicom.make_ct(
            study,
            seed=seed,
            transfer_syntax_uid=syntax,
            change=change,
            series_instance_uid=uids[0],
            sop_instance_uid=uids[1],
        )
        for seed in (1, 2)
    )
    name = name.replace("\\", "/")
    coerced = coerce(
        file, Change(INSTITUTION, name), Change(ISSUER, "1.2.3"), Change(ISSUER_QUALIFIERS, "1.2.3")
    )
    stored = read_header(coerced).attributes
    assert repeat_coercion(file, read_header(file), stored) == hashlib.sha256(coerced[128:]).digest()
    assert repeat_coercion(other, read_header(other), stored) != hashlib.sha256(coerced[128:]).digest()
    assert repeat_coercion(file, read_header(file), read_header(file).attributes) is None
