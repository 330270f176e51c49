"""What a manifest says survives being written, read, and turned into its other form."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from pydicom import dcmread

from registry.manifest.codes import DIALECTS
from registry.manifest.fhir import write_bundle
from registry.manifest.fhir_reading import read_bundle
from registry.manifest.kos import write_classic, write_mado
from registry.manifest.kos_reading import UnreadableManifest, read_kos
from registry.manifest.model import Institution
from tests.registry.manifest.contents import IDENTITY, contents, make_content, parse

SAMPLES = Path(__file__).parents[4] / "shared/data/standards/mado"
STUDY_A = "1.2.250.1.59.40211.22756022.2.1.101"
slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_everything_told_in_a_mado_key_object_is_read_again(dialect):
    content = make_content()
    assert read_kos(parse(write_mado(content, IDENTITY, DIALECTS[dialect]))) == (content, IDENTITY)


def test_everything_told_in_a_document_is_read_again():
    content = make_content()
    read, identity = read_bundle(json.loads(json.dumps(write_bundle(content, IDENTITY))))
    assert read == content
    assert (identity.sop_instance_uid, identity.made) == (IDENTITY.sop_instance_uid, IDENTITY.made)


@slow
@given(contents())
def test_any_study_goes_from_key_object_to_document_and_back(content):
    from_kos, _ = read_kos(parse(write_mado(content, IDENTITY, DIALECTS["temporary"])))
    from_document, _ = read_bundle(json.loads(json.dumps(write_bundle(from_kos, IDENTITY))))
    again, identity = read_kos(parse(write_mado(from_document, IDENTITY, DIALECTS["permanent"])))
    assert from_kos == content
    assert from_document == content
    assert again == content
    assert identity == IDENTITY


@slow
@given(contents())
def test_the_classic_manifest_lists_the_same_instances(content):
    read, _ = read_kos(parse(write_classic(content, IDENTITY)))
    assert [
        (row.series_instance_uid, row.source, [(i.sop_class_uid, i.sop_instance_uid) for i in row.instances])
        for row in read.series
    ] == [
        (row.series_instance_uid, row.source, [(i.sop_class_uid, i.sop_instance_uid) for i in row.instances])
        for row in content.series
    ]
    assert (read.patient, read.orders) == (content.patient, content.orders)


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples lie beside the checkout, where they are")
def test_the_official_key_object_is_read_and_made_again():
    read, identity = read_kos(dcmread(SAMPLES / "MADO_KOS_A.dcm").to_json_dict())
    assert read.study_instance_uid == STUDY_A
    assert [(len(row.instances), row.series_number, row.description) for row in read.series] == [
        (50, 1, "Series A1"),
        (36, 2, "Series A2"),
    ]
    assert [instance.instance_number for instance in read.series[0].instances] == list(range(1, 51))
    assert [(row.date, row.time, row.region.value) for row in read.series] == [
        ("20220822", "164758.337000", "38266002"),
        ("20220822", "165231.123500", "67734004"),
    ]
    assert read.viewer_url.endswith(STUDY_A)
    assert read.orders[0].placer.value == "5357606535677609"
    assert read_kos(parse(write_mado(read, identity, DIALECTS["permanent"]))) == (read, identity)
    from_document, _ = read_bundle(write_bundle(read, identity))
    assert from_document == read


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples lie beside the checkout, where they are")
def test_the_official_document_is_read_and_made_again():
    read, identity = read_bundle(json.loads((SAMPLES / f"mado-{STUDY_A}-bundle.json").read_text()))
    assert read.study_instance_uid == STUDY_A
    assert [len(row.instances) for row in read.series] == [50, 36]
    assert read.patient.name == "DOE^John"
    assert read.patient.identifiers[0].value == "UV59569735"
    assert read.orders[0].accession.value == "1731954284869428"
    assert read.series[0].source.retrieve_url == "http://example.com/wado"
    assert read_bundle(write_bundle(read, identity))[0] == read
    # The number of the institution has no room beside its name in the 64 characters of Institution Name.
    shorter = replace(read, institution=Institution(read.institution.name))
    assert read_kos(parse(write_mado(read, identity, DIALECTS["temporary"])))[0] == shorter


def test_what_is_no_manifest_is_refused_in_words():
    with pytest.raises(UnreadableManifest, match="no title of a manifest"):
        read_kos({})
    code = {"00080100": {"vr": "SH", "Value": ["113030"]}, "00080102": {"vr": "SH", "Value": ["DCM"]}}
    with pytest.raises(UnreadableManifest, match="names 0 studies"):
        read_kos({"0040A043": {"vr": "SQ", "Value": [code]}})
    with pytest.raises(UnreadableManifest, match="not document"):
        read_bundle({"type": "batch"})
    with pytest.raises(UnreadableManifest, match="holds 0 ImagingStudy"):
        read_bundle({"type": "document", "entry": [{"resource": None}, 7]})
