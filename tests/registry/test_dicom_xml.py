"""The Native DICOM Model: written, read back, and held against what other programs make of the same file."""

import io
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from registry.wire.dicom_xml import (
    MAX_DEPTH,
    NAMESPACE,
    MalformedDicomXml,
    dicom_json_of_xml,
    xml_of_dicom_json,
)
from tests.support.dicom import make_ct

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
)
NAME = st.text(
    st.characters(codec="latin-1", exclude_categories=("Cc", "Cs"), exclude_characters="^"), max_size=8
)


def _values(vr: str, value: st.SearchStrategy) -> st.SearchStrategy:
    return st.fixed_dictionaries(
        {"vr": st.just(vr)}, optional={"Value": st.lists(value, min_size=1, max_size=4)}
    )


def _join(parts: list[str]) -> str:
    return "^".join(parts).rstrip("^")


GROUP = st.lists(NAME, min_size=1, max_size=5).map(_join).filter(bool)
ELEMENT = st.one_of(
    *(_values(vr, st.none() | TEXT.filter(bool)) for vr in ("LO", "LT", "UT", "CS", "DS", "IS")),
    *(_values(vr, st.integers(-(2**15), 2**15)) for vr in ("SS", "SL", "SV")),
    _values("FD", st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(["NaN", "inf", "-inf"])),
    _values(
        "PN", st.none() | st.dictionaries(st.sampled_from(["Alphabetic", "Ideographic"]), GROUP, min_size=1)
    ),
    st.fixed_dictionaries({"vr": st.just("OB"), "InlineBinary": st.just("AAEC")}),
    st.fixed_dictionaries({"vr": st.just("OW"), "BulkDataURI": TEXT}),
)
TAG = st.integers(0x00080000, 0x7FFFFFFF).filter(lambda tag: not tag >> 16 & 1).map(lambda tag: f"{tag:08X}")
DATA_SET = st.recursive(
    st.dictionaries(TAG, ELEMENT, max_size=5),
    lambda inner: st.dictionaries(TAG, ELEMENT | _values("SQ", inner), max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(DATA_SET)
def test_what_is_written_is_read_back(data_set):
    assert dicom_json_of_xml(xml_of_dicom_json(data_set)) == _sort(data_set)


def _sort(data_set):
    return {
        tag: {**element, "Value": [_sort(item) for item in element["Value"]]}
        if element["vr"] == "SQ" and "Value" in element
        else element
        for tag, element in sorted(data_set.items())
    }


@given(st.text())
def test_any_text_makes_a_document_that_xml_can_carry(text):
    document = xml_of_dicom_json({"00104000": {"vr": "LT", "Value": [text]}})
    [value] = ET.fromstring(document).iter(f"{{{NAMESPACE}}}Value")
    assert len(value.text or "") == len(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        read = dicom_json_of_xml(data)
    except MalformedDicomXml:
        return
    assert read == {}


def test_elements_are_named_and_names_are_in_components():
    document = xml_of_dicom_json(
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Ek^Eva^^Dr", "Phonetic": "x"}]}}
    ).decode()
    assert '<DicomAttribute tag="00100010" keyword="PatientName" vr="PN"><PersonName number="1">' in document
    assert (
        "<Alphabetic><FamilyName>Ek</FamilyName><GivenName>Eva</GivenName><NamePrefix>Dr</NamePrefix>"
        in document
    )
    assert "<Phonetic><FamilyName>x</FamilyName></Phonetic>" in document


def test_private_elements_carry_their_creator_instead_of_a_block():
    data_set = {
        "00290011": {"vr": "LO", "Value": ["ACME"]},
        "00291105": {"vr": "SH", "Value": ["v"]},
        "00331101": {"vr": "UN", "InlineBinary": "AAEC"},
    }
    document = xml_of_dicom_json(data_set)
    assert b'tag="00290005" privateCreator="ACME"' in document
    assert b'tag="00331101" vr="UN"' in document
    assert dicom_json_of_xml(document) == data_set


def test_a_private_element_without_its_creator_element_gets_a_free_block():
    document = (
        '<NativeDicomModel><DicomAttribute tag="00290012" vr="SH" privateCreator="ACME"><Value number="1">v</Value>'
        "</DicomAttribute></NativeDicomModel>"
    )
    assert dicom_json_of_xml(document.encode()) == {
        "00290010": {"vr": "LO", "Value": ["ACME"]},
        "00291012": {"vr": "SH", "Value": ["v"]},
    }


def test_a_creator_with_two_blocks_keeps_them_apart():
    data_set = {
        "00290010": {"vr": "LO", "Value": ["ACME"]},
        "00290011": {"vr": "LO", "Value": ["ACME"]},
        "00291001": {"vr": "SH", "Value": ["a"]},
        "00291101": {"vr": "SH", "Value": ["b"]},
    }
    assert dicom_json_of_xml(xml_of_dicom_json(data_set)) == data_set


def test_a_skipped_number_is_an_empty_value_and_a_missing_vr_comes_from_the_dictionary():
    document = (
        '<NativeDicomModel><DicomAttribute tag="00080008"><Value number="1">A</Value><Value number="3">C</Value>'
        "</DicomAttribute></NativeDicomModel>"
    )
    assert dicom_json_of_xml(document.encode()) == {"00080008": {"vr": "CS", "Value": ["A", None, "C"]}}


NESTED = '<DicomAttribute tag="0040A730" vr="SQ"><Item number="1">'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("<x/>", "does not belong"),
        ('<DicomAttribute tag="12"/>', "eight hexadecimal"),
        ('<DicomAttribute tag="00080008"/><DicomAttribute tag="00080008"/>', "comes twice"),
        (
            '<DicomAttribute tag="00280010" vr="US"><Value number="1">x</Value></DicomAttribute>',
            "no value of VR US",
        ),
        (
            '<DicomAttribute tag="00080008" vr="CS"><Value number="9999999">x</Value></DicomAttribute>',
            "values",
        ),
        ('<DicomAttribute tag="00080008" vr="CS"><Item number="1"/></DicomAttribute>', "not how a value"),
        (NESTED * (MAX_DEPTH + 1), "nested deeper"),
        ("text", "does not belong"),
        ("&unknown;", "undefined entity"),
    ],
)
def test_what_breaks_the_model_is_refused_with_its_place(body, reason):
    with pytest.raises(MalformedDicomXml, match=reason) as caught:
        dicom_json_of_xml(f"<NativeDicomModel>{body}</NativeDicomModel>".encode())
    assert "line 1" in str(caught.value)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x"> %p;]>',
    ],
)
def test_a_document_type_is_refused_before_it_can_do_anything(declaration):
    with pytest.raises(MalformedDicomXml, match="document type"):
        dicom_json_of_xml(f"{declaration}<NativeDicomModel/>".encode())


@pytest.mark.skipif(shutil.which("dcm2xml") is None, reason="DCMTK is not installed")
@pytest.mark.parametrize("name", ["", "CT_small.dcm", "reportsi.dcm", "JPEG2000.dcm", "rtplan.dcm"])
def test_dcmtk_writes_the_same_document(tmp_path, name):
    file = tmp_path / "a.dcm"
    file.write_bytes(Path(get_testdata_file(name)).read_bytes() if name else make_ct())
    command = ["dcm2xml", "--native-format", "--use-xml-namespace", "+U8", "-q", file]
    theirs = subprocess.run(command, capture_output=True, check=True).stdout
    ours = xml_of_dicom_json(orjson.loads(dcmread(io.BytesIO(file.read_bytes())).to_json()))
    assert _outline(ours) == _outline(theirs)


def _outline(document: bytes) -> list[tuple[str, ...]]:
    """List what both writers must agree on: elements, attributes, texts; numbers by value."""
    lines = []
    for element in _iterate(ET.fromstring(document)):
        name = element.tag.removeprefix(f"{{{NAMESPACE}}}")
        if name in ("BulkData", "InlineBinary", "NativeDicomModel"):
            continue
        attributes = {key: element.get(key, "") for key in ("tag", "number", "privateCreator")}
        lines.append((name, *attributes.values(), _plain((element.text or "").strip())))
    return lines


def _iterate(element):
    """Walk through what both write: the one adds a character set, neither keeps group lengths or file meta."""
    tag = element.get("tag", "")
    if tag != "00080005" and not tag.startswith("0002") and not tag.endswith("0000"):
        yield element
        for child in element:
            yield from _iterate(child)


def _plain(text: str) -> str:
    try:
        return f"{float(text):.6g}"
    except ValueError:
        return text


def test_an_empty_data_set_is_an_empty_document():
    assert dicom_json_of_xml(xml_of_dicom_json(Dataset().to_json_dict())) == {}
