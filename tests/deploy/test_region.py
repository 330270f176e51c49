"""The demo region: deterministic, valid DICOM, with the habits and the truths it promises."""

import csv
import io
import json
from collections import defaultdict
from dataclasses import replace

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import generate_frames

from deploy.region.answers import answer_study, find_recipients, write_answers
from deploy.region.build import build_study, count_instances, count_series
from deploy.region.exams import EXAMS
from deploy.region.facts import InvalidRegionSize, RegionSize, ReportState
from deploy.region.identities import (
    PERSONAL_NUMBER_OID,
    NumbersExhausted,
    NumberStyle,
    compute_check_digit,
    format_personal_number,
    make_personal_number,
)
from deploy.region.makers import MAKERS, StatedIssuer
from deploy.region.organisation import CLINIC, REGION
from deploy.region.plan import plan_region
from registry.identity import Rule, decide_issuer, normalise_national

SMALL = RegionSize(patients=16, studies=80, slices=2, size_px=32, frames=2, seed=2)


@pytest.fixture(scope="module")
def region():
    return plan_region(SMALL)


@pytest.fixture(scope="module")
def built(region):
    """Every study of the small region with its data sets."""
    return [(study, [read(file) for file in build_study(region, study)]) for study in region.studies]


def read(file: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(file))


def test_same_size_and_seed_give_the_same_bytes(region):
    again = plan_region(SMALL)
    assert again.studies == region.studies
    assert again.patients == region.patients
    for study in region.studies[:8]:
        assert list(build_study(region, study)) == list(build_study(again, study))


def test_another_seed_gives_other_studies_and_people(region):
    other = plan_region(replace(SMALL, seed=3))
    assert not {s.study_instance_uid for s in other.studies} & {s.study_instance_uid for s in region.studies}
    assert [p.name for p in other.patients] != [p.name for p in region.patients]


def test_region_has_two_providers_ten_hospitals_and_eight_departments_each(region):
    providers = {hospital.provider for hospital in region.hospitals}
    assert providers == {REGION, CLINIC}
    assert [h.code for h in region.hospitals if h.provider is CLINIC] == ["PRV"]
    departments = [department for hospital in region.hospitals for department in hospital.departments]
    assert len({department.hsa_id for department in departments}) == len(departments) == 80
    assert region.hospitals[0].departments[0].hsa_id == "SE0000000000-ASU-01"
    assert len({hospital.issuer_oid for hospital in region.hospitals}) == 10


def test_counts_are_what_was_asked_for(region):
    assert len(region.studies) == SMALL.studies
    assert len(region.patients) == SMALL.patients
    assert {study.patient.index for study in region.studies} == set(range(SMALL.patients))
    assert len({study.hospital for study in region.studies}) > 5
    moments = [study.performed_at for study in region.studies]
    assert moments == sorted(moments)
    assert all(moment.tzinfo and 2020 <= moment.year <= 2025 for moment in moments)


def test_fewer_studies_than_patients_leaves_some_patients_without():
    small = plan_region(RegionSize(patients=9, studies=4))
    assert len({study.patient.index for study in small.studies}) == 4


def test_every_instance_has_its_own_uid_and_belongs_to_its_study(built):
    uids = [dataset.SOPInstanceUID for _, datasets in built for dataset in datasets]
    assert len(set(uids)) == len(uids)
    for study, datasets in built:
        for dataset in datasets:
            assert dataset.StudyInstanceUID == study.study_instance_uid
            assert dataset.AccessionNumber == study.accession_number
            assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
            assert dataset.PatientName == study.patient.name.to_dicom()
            assert dataset.SpecificCharacterSet == study.hospital.specific_character_set


def test_planned_counts_are_the_built_ones(region, built):
    for study, datasets in built:
        assert len(datasets) == count_instances(region, study)
        assert len({dataset.SeriesInstanceUID for dataset in datasets}) == count_series(region, study)


def test_answers_say_what_the_files_say(region, built):
    for study, datasets in built:
        answer, first = answer_study(region, study), datasets[0]
        assert answer.patient_id == first.PatientID
        assert answer.study_date == first.StudyDate
        assert answer.study_time == first.StudyTime
        assert answer.study_description == first.StudyDescription
        assert answer.modalities == "\\".join(sorted({dataset.Modality for dataset in datasets}))
        qualifiers = first.get("IssuerOfPatientIDQualifiersSequence") or [pydicom.Dataset()]
        assert answer.issuer_oid == qualifiers[0].get("UniversalEntityID", "")


def test_pixels_have_the_size_and_the_range_they_announce(built):
    pictures = 0
    for study, datasets in built:
        for dataset in (dataset for dataset in datasets if "PixelData" in dataset):
            pixels = decode(dataset)
            assert pixels.shape[-3:-1] == (dataset.Rows, dataset.Columns) or pixels.shape == (
                dataset.Rows,
                dataset.Columns,
            )
            assert pixels.max() < 2**dataset.BitsStored
            assert len(np.unique(pixels)) > 10, study.exam.kind
            pictures += 1
    assert pictures > 80


def decode(dataset: pydicom.Dataset):
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return dataset.pixel_array
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    decoders = {"JPEG-LS Lossless Image Compression": imagecodecs.jpegls_decode}
    return decoders.get(syntax.name, imagecodecs.ljpeg_decode)(frame)


def test_every_exam_kind_and_every_transfer_syntax_occurs(built):
    assert {study.exam.kind for study, _ in built} == {exam.kind for exam in EXAMS}
    syntaxes = {dataset.file_meta.TransferSyntaxUID.name for _, datasets in built for dataset in datasets}
    assert len(syntaxes) == 4


def test_compression_changes_no_pixel(region):
    """The same picture at a hospital that compresses and at one that does not."""
    study = next(s for s in region.studies if s.exam.kind.startswith("ct"))
    syntaxes = {hospital.transfer_syntax_uid: hospital for hospital in region.hospitals}
    pixels = []
    for syntax in syntaxes:
        hospital = replace(study.hospital, transfer_syntax_uid=syntax)
        pixels.append(decode(read(next(build_study(region, replace(study, hospital=hospital))))))
    assert len(pixels) == 4
    assert all(np.array_equal(pixels[0], other) for other in pixels[1:])


def test_makers_differ_in_codes_words_and_accession_numbers(built):
    seen = defaultdict(set)
    for study, datasets in built:
        code = datasets[0].ProcedureCodeSequence[0]
        assert code.CodingSchemeDesignator == study.hospital.maker.coding_scheme
        assert code.CodeValue == study.procedure.code
        assert datasets[0].BodyPartExamined == study.procedure.body_part
        seen[study.exam.kind].add((study.hospital.maker.name, code.CodeValue))
    for exam in EXAMS:
        procedures = [maker.procedures[exam.kind] for maker in MAKERS]
        assert len({procedure.code for procedure in procedures}) == 4
        assert len({procedure.description for procedure in procedures}) == 4
        assert len({procedure.body_part for procedure in procedures}) > 1
    assert len({maker.coding_scheme for maker in MAKERS}) == 4
    assert max(len(codes) for codes in seen.values()) >= 3


def test_accession_numbers_are_unique_at_a_hospital_and_valid():
    large = plan_region(RegionSize(patients=300, studies=3000))
    by_hospital = [(study.hospital.code, study.accession_number) for study in large.studies]
    assert len(set(by_hospital)) == len(by_hospital)
    assert len({number for _, number in by_hospital}) < len(by_hospital), (
        "as in life, numbers collide in a region"
    )
    assert all(len(number) <= 16 and number.isascii() for _, number in by_hospital)


def test_two_makers_send_no_issuer_one_a_wrong_one_and_one_ten_digits():
    stated = [maker.stated_issuer for maker in MAKERS]
    assert sorted(issuer.name for issuer in stated) == ["NATIONAL", "NONE", "NONE", "WRONG"]
    assert [maker.number_style for maker in MAKERS].count(NumberStyle.TEN_DIGITS) == 1


def test_a_registry_that_knows_the_habits_finds_one_number_for_each_person(built):
    found = defaultdict(set)
    for study, datasets in built:
        issuer = answer_issuer(datasets[0])
        rules = [Rule("national", "", ""), Rule("local", "", study.hospital.issuer_oid)]
        if study.hospital.maker.stated_issuer is StatedIssuer.WRONG:
            rules.insert(0, Rule("ignore", study.hospital.issuer_oid, ""))
        number = decide_issuer(datasets[0].PatientID, issuer, rules, datasets[0].PatientBirthDate)
        found[study.patient.personal_number].add((number.value, number.issuer))
    for personal_number, numbers in found.items():
        assert numbers == {(personal_number, PERSONAL_NUMBER_OID)}


def answer_issuer(dataset: pydicom.Dataset) -> str:
    qualifiers = dataset.get("IssuerOfPatientIDQualifiersSequence")
    return qualifiers[0].UniversalEntityID if qualifiers else ""


def test_reports_are_signed_preliminary_or_amended_and_readable_in_swedish():
    region = plan_region(RegionSize(patients=20, studies=150, slices=1, size_px=32, frames=1))
    states = {study.reports[-1].state for study in region.studies if study.reports}
    assert states == set(ReportState)
    assert any(not study.reports for study in region.studies)
    checked = 0
    for study in (study for study in region.studies[:40] if study.reports):
        report = next(d for d in map(read, build_study(region, study)) if d.Modality == "SR")
        texts = [
            leaf.TextValue
            for box in report.ContentSequence
            for leaf in box.get("ContentSequence", [])
            if "TextValue" in leaf
        ]
        assert texts[-1] == study.reports[-1].impression
        assert study.order.question in texts[0]
        is_signed = study.reports[-1].state is not ReportState.PRELIMINARY
        assert report.VerificationFlag == ("VERIFIED" if is_signed else "UNVERIFIED")
        evidence = report.CurrentRequestedProcedureEvidenceSequence[0]
        assert len(evidence.ReferencedSeriesSequence) == count_series(region, study) - 1
        checked += 1
    assert checked > 20
    assert all(
        [version.version for version in study.reports] == list(range(1, len(study.reports) + 1))
        for study in region.studies
    )


def test_reports_follow_the_study_and_the_study_follows_the_order(region):
    for study in region.studies:
        moments = [study.order.ordered_at, study.performed_at, *(v.reported_at for v in study.reports)]
        assert moments == sorted(moments)


def test_lesions_grow_from_study_to_study():
    region = plan_region(RegionSize(patients=4, studies=120))
    grown = 0
    for patient in (patient for patient in region.patients if patient.has_lesion):
        measured = defaultdict(list)
        for study in region.studies:
            if study.patient == patient and study.reports and study.reports[-1].long_axis_mm:
                measured[study.exam.kind].append(study.reports[-1].long_axis_mm)
        for lengths in measured.values():
            assert lengths == sorted(lengths)
            grown += lengths[-1] > lengths[0]
    assert grown


def test_pdf_and_manifest_complete_a_study():
    region = plan_region(
        RegionSize(patients=2, studies=4, slices=2, size_px=32, frames=1, pdf_share=1, with_manifests=True)
    )
    for study in region.studies:
        datasets = [read(file) for file in build_study(region, study)]
        assert len(datasets) == count_instances(region, study)
        pdf, manifest = datasets[-2:]
        assert pdf.EncapsulatedDocument.startswith(b"%PDF-")
        listed = [
            item.ReferencedSOPInstanceUID
            for series in manifest.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
            for item in series.ReferencedSOPSequence
        ]
        assert listed == [dataset.SOPInstanceUID for dataset in datasets[:-1]]


def test_quirks_are_names_without_rings_and_reserve_numbers():
    region = plan_region(
        RegionSize(patients=60, studies=400, slices=1, size_px=32, frames=1, with_quirks=True)
    )
    reserved = [study for study in region.studies if study.has_reserve_number]
    assert reserved
    dataset = read(next(build_study(region, reserved[0])))
    assert dataset.PatientID == answer_study(region, reserved[0]).patient_id
    assert normalise_national(dataset.PatientID) is None
    shouted = [
        study
        for study in region.studies[:150]
        if str(read(next(build_study(region, study))).PatientName).isupper()
    ]
    assert shouted


def test_secrets_exist_even_in_a_small_region(region):
    assert any(patient.is_protected for patient in region.patients)
    blocking = [patient for patient in region.patients if patient.blocked_at]
    assert blocking
    for patient in blocking:
        assert any(s.patient == patient and s.hospital == patient.blocked_at for s in region.studies)


def test_recipients_are_the_clinics_of_the_patients_own_hospital(region):
    for study in region.studies:
        (subscription,) = find_recipients(region, study)
        assert subscription.hospital == study.patient.home
        assert subscription.department.name == study.exam.subscriber
        assert study.exam.modality in subscription.modalities


def test_open_orders_have_no_accession_number_yet():
    region = plan_region(RegionSize(patients=40, studies=80))
    assert region.open_orders
    assert all(order.accession_number is None for order in region.open_orders)
    numbers = [order.placer_order_number for order in region.open_orders]
    numbers += [study.order.placer_order_number for study in region.studies]
    assert len(set(numbers)) == len(numbers)


def test_answers_are_written_as_csv_and_json(region, tmp_path):
    write_answers(region, tmp_path)
    with (tmp_path / "expected.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["study_instance_uid"] for row in rows] == [
        study.study_instance_uid for study in region.studies
    ]
    assert all(row["true_personal_number"] and row["recipients"] for row in rows)
    document = json.loads((tmp_path / "region.json").read_text(encoding="utf-8"))
    assert len(document["hospitals"]) == 10
    assert len(document["patients"]) == SMALL.patients
    assert len(document["subscriptions"]) == len(region.subscriptions)


@given(index=st.integers(0, 36519), woman=st.booleans())
@settings(max_examples=200)
def test_personal_numbers_are_valid_however_they_are_written(index, woman):
    number, born = make_personal_number(index, woman=woman)
    assert 1890 <= born.year <= 1899
    assert int(number[10]) % 2 == (0 if woman else 1)
    for style in NumberStyle:
        read_back = normalise_national(format_personal_number(number, style), f"{born:%Y%m%d}")
        assert read_back is not None
        assert read_back.value == number


def test_check_digit_is_the_known_one():
    assert compute_check_digit("640823323") == "4"


def test_numbers_run_out_with_a_clear_error():
    with pytest.raises(NumbersExhausted, match="36521"):
        make_personal_number(36520, woman=True)


@pytest.mark.parametrize(
    ("figures", "message"),
    [({"patients": 0}, "patients is 0"), ({"size_px": 33}, "even"), ({"hospitals": 11}, "only 10")],
)
def test_impossible_sizes_are_refused(figures, message):
    with pytest.raises(InvalidRegionSize, match=message):
        RegionSize(**figures)
