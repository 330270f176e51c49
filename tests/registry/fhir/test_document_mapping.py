"""A document entry, a submission set and a folder say the same as FHIR as in the metadata, there and back."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.fhir.documents import hl7_texts
from registry.fhir.documents.entry_form import BODY_SITE, MODALITY, Shown, write_document_reference
from registry.fhir.documents.entry_reading import Told, read_document_reference, read_hash
from registry.fhir.documents.identifiers import cxi_of_related, related_of_cxi
from registry.fhir.documents.list_form import (
    ShownList,
    ToldList,
    kind_of,
    read_folder,
    read_submission_set,
    write_folder,
    write_submission_set,
)
from registry.fhir.documents.times import date_time_of_dtm, dtm_of_date_time, end_of_dtm, start_of_dtm
from registry.fhir.errors import UnheldContent
from registry.fhir.structure import check_structure
from registry.fhir.xml_format import resource_of_xml, xml_of_resource
from registry.submission import Author, Code, EntryDraft, FolderDraft, SubmissionSetDraft
from tests.registry.fhir.oracle import check_resource
from tests.support.mhd import check_document_reference, check_list, check_manifest_reference

START = datetime(1900, 1, 1, tzinfo=UTC)
MOMENT = datetime(2026, 11, 24, 8, tzinfo=UTC)
SUBJECT = {"reference": "Patient/7", "type": "Patient"}
UUID = "urn:uuid:0c287d32-01e3-4d87-9953-9fcc9404eb21"

words = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="\u00ad"),
    min_size=1,
    max_size=12,
)
oids = st.lists(st.integers(1, 99999), min_size=1, max_size=5).map(
    lambda parts: "1.2." + ".".join(map(str, parts))
)
schemes = oids | st.sampled_from(["2.16.840.1.113883.6.1", "1.2.840.10008.2.16.4", "2.16.840.1.113883.6.96"])
codes = st.builds(Code, code=words, scheme=schemes, display=words | st.just(""))
moments = st.datetimes(START.replace(tzinfo=None), START.replace(year=2100, tzinfo=None)).map(
    lambda moment: f"{moment:%Y%m%d%H%M%S}"
)
times = moments | moments.map(lambda text: text[:4]) | moments.map(lambda text: text[:8])
numbers = st.builds(lambda value, oid: f"{hl7_texts.escape(value)}^^^&{oid}&ISO", words, oids)
names = st.lists(words.map(hl7_texts.escape), min_size=1, max_size=3)
people = st.builds(
    lambda value, oid, name: hl7_texts.join(
        [hl7_texts.escape(value), *name, *[""] * (7 - len(name)), f"&{oid}&ISO"]
    ),
    words,
    oids,
    names,
)
institutions = st.builds(
    lambda name, oid, value: f"{hl7_texts.escape(name)}^^^^^&{oid}&ISO^^^^{hl7_texts.escape(value)}",
    words,
    oids,
    words,
)
contacts = words.map(lambda text: f"^^Internet^{hl7_texts.escape(text)}")
MOST = 3
authors = st.builds(
    Author,
    person=people | st.just(""),
    institutions=st.lists(institutions, max_size=MOST).map(tuple),
    roles=st.lists(words, max_size=MOST).map(tuple),
    specialties=st.lists(words, max_size=MOST).map(tuple),
    telecommunications=st.lists(contacts, max_size=1).map(tuple),
).filter(lambda author: author != Author())
references = (
    oids.map(lambda uid: f"{uid}^^^^urn:ihe:iti:xds:2016:studyInstanceUID")
    | st.builds(
        lambda number, kind: f"{number}^urn:ihe:iti:xds:2013:{kind}",
        numbers,
        st.sampled_from(["accession", "order", "referral"]),
    )
    | oids.map(lambda uid: f"{uid}^^^^urn:ihe:iti:xds:2013:uniqueId")
)
hashes = st.binary(min_size=20, max_size=20).map(bytes.hex) | st.just("")
unique_ids = oids | st.builds("{}^{}".format, oids, st.from_regex(r"[A-Z0-9]{1,8}", fullmatch=True))
entries = st.builds(
    EntryDraft,
    entry_uuid=st.uuids().map("urn:uuid:{}".format),
    unique_id=unique_ids,
    patient_id=numbers,
    mime_type=st.sampled_from(["application/pdf", "application/dicom", "text/xml"]),
    class_code=codes,
    type_code=codes,
    format_code=codes,
    practice_setting_code=codes,
    healthcare_facility_type_code=codes,
    event_codes=st.lists(codes, unique_by=lambda code: (code.code, code.scheme), max_size=MOST).map(tuple),
    confidentiality_codes=st.lists(codes, max_size=MOST).map(tuple),
    source_patient_id=numbers,
    source_patient_info=st.tuples(numbers, names, st.sampled_from("MFOU")).map(
        lambda parts: (
            f"PID-3|{parts[0]}",
            f"PID-5|{'^'.join(parts[1])}",
            "PID-7|19121212",
            f"PID-8|{parts[2]}",
        )
    ),
    language_code=st.just("sv-SE"),
    title=words,
    comments=words | st.just(""),
    creation_time=times,
    service_start_time=times | st.just(""),
    service_stop_time=times | st.just(""),
    authors=st.lists(authors, max_size=MOST).map(tuple),
    legal_authenticator=people | st.just(""),
    hash=hashes,
    size=st.none() | st.integers(0, 2**31 - 1),
    references=st.lists(references, max_size=MOST).map(tuple),
)
sets = st.builds(
    SubmissionSetDraft,
    entry_uuid=st.uuids().map("urn:uuid:{}".format),
    unique_id=oids,
    source_id=oids,
    patient_id=numbers,
    submission_time=moments,
    content_type_code=codes,
    title=words | st.just(""),
    comments=words | st.just(""),
    authors=st.lists(authors, max_size=MOST).map(tuple),
    intended_recipients=st.lists(
        st.builds("{}|{}".format, institutions, people) | institutions | people.map("|{}".format),
        max_size=MOST,
    ).map(tuple),
)
folders = st.builds(
    FolderDraft,
    entry_uuid=st.uuids().map("urn:uuid:{}".format),
    unique_id=oids,
    patient_id=numbers,
    codes=st.lists(codes, min_size=1, max_size=3).map(tuple),
    title=words,
    comments=words | st.just(""),
)


def resolve_in(resource):
    """Return a function that follows references to what a resource contains."""
    contained = {f"#{each['id']}": each for each in resource.get("contained", [])}
    return lambda reference: contained.get(reference.get("reference", ""))


def show(entry, **values):
    shown = Shown(entry.entry_uuid[9:], SUBJECT, "https://x.example/fhir/Binary/1", MOMENT, MOMENT, **values)
    return write_document_reference(entry, shown)


@settings(max_examples=150, deadline=None)
@given(entry=entries)
def test_an_entry_is_read_back_as_it_was(entry):
    resource = show(entry)
    check_structure(resource)
    check_resource(resource)
    check_document_reference(resource)
    told = Told(entry.patient_id, "symbol", resolve_in(resource))
    assert read_document_reference(resource, told) == entry
    assert resource_of_xml(xml_of_resource(resource)) == resource


@settings(max_examples=100, deadline=None)
@given(held=sets)
def test_a_submission_set_is_read_back_as_it_was(held):
    resource = write_submission_set(
        held, ShownList(held.entry_uuid[9:], SUBJECT, MOMENT, ("DocumentReference/1",))
    )
    check_structure(resource)
    check_resource(resource)
    check_list(resource)
    assert kind_of(resource) == "submissionset"
    told = ToldList(held.patient_id, "symbol", resolve_in(resource), "20261124")
    assert read_submission_set(resource, told) == held


@settings(max_examples=50, deadline=None)
@given(held=folders)
def test_a_folder_is_read_back_as_it_was(held):
    resource = write_folder(held, "20261124080000", ShownList(held.entry_uuid[9:], SUBJECT, MOMENT))
    check_structure(resource)
    check_resource(resource)
    check_list(resource)
    assert kind_of(resource) == "folder"
    assert read_folder(resource, ToldList(held.patient_id, "symbol", resolve_in(resource), "")) == held


def test_a_manifest_says_what_its_profile_demands():
    manifest = EntryDraft(
        entry_uuid=UUID,
        unique_id="1.2.3.4",
        patient_id="191212121212^^^&1.2.752.129.2.1.3.1&ISO",
        mime_type="application/fhir+json",
        class_code=Code("IMAGES", "1.3.6.1.4.1.19376.1.2.6.1"),
        type_code=Code("18748-4", "2.16.840.1.113883.6.1", "Diagnostic imaging study"),
        format_code=Code("urn:ihe:rad:MADO:fhir-manifest:2026", "1.3.6.1.4.1.19376.1.2.7.1"),
        practice_setting_code=Code("394914008", "2.16.840.1.113883.6.96"),
        healthcare_facility_type_code=Code("22232009", "2.16.840.1.113883.6.96"),
        event_codes=(
            Code("CT", "1.2.840.10008.2.16.4"),
            Code("SR", "1.2.840.10008.2.16.4"),
            Code("774007", "2.16.840.1.113883.6.96", "Head and neck"),
            Code("113030", "1.2.840.10008.2.16.4", "Manifest"),
        ),
        confidentiality_codes=(Code("N", "2.16.840.1.113883.5.25"),),
        language_code="sv",
        title="DT hjärna",
        creation_time="20261124101112",
        service_start_time="20261124080000",
        hash="0a4d55a8d778e5022fab701977c5d840bbc486d0",
        size=11,
        references=(
            "1.2.250.1^^^^urn:ihe:iti:xds:2016:studyInstanceUID",
            "A1^^^&1.2.752.1&ISO^urn:ihe:iti:xds:2013:accession",
        ),
    )
    resource = show(manifest, relations=(("transforms", "other"),))
    check_manifest_reference(resource)
    assert resource["masterIdentifier"] == {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3.4"}
    assert resource["date"] == "2026-11-24T11:11:12.000+01:00"
    assert resource["securityLabel"][0]["coding"][0]["system"].endswith("/v3-Confidentiality")
    [content] = resource["content"]
    assert content["format"]["system"] == "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"
    assert content["attachment"]["hash"] == "Ck1VqNd45QIvq3AZd8XYQLvEhtA="
    assert content["attachment"]["creation"] == "2026-11-24T10:11:12Z"
    modality, site = resource["extension"]
    assert [each["code"] for each in modality["valueCodeableConcept"]["coding"]] == ["CT", "SR"]
    assert site["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "774007"
    assert resource["relatesTo"] == [
        {"code": "transforms", "target": {"reference": "DocumentReference/other"}}
    ]
    study, accession = resource["context"]["related"]
    assert study["identifier"]["value"] == "urn:oid:1.2.250.1"
    assert (accession["identifier"]["system"], accession["identifier"]["value"]) == (
        "urn:oid:1.2.752.1",
        "A1",
    )


SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "standards" / "mado"
KOS_LIKE = {
    "resourceType": "DocumentReference",
    "extension": [
        {
            "url": "https://profiles.ihe.net/RAD/MADO/StructureDefinition/ext-R5-DocumentReference.modality",
            "valueCodeableConcept": {
                "coding": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]
            },
        },
        {
            "url": BODY_SITE,
            "extension": [
                {
                    "url": "concept",
                    "valueCodeableConcept": {
                        "coding": [{"system": "http://snomed.info/sct", "code": "774007"}]
                    },
                }
            ],
        },
    ],
    "masterIdentifier": {"system": "http://example.org/fhir/document-ids", "value": "mado-1"},
    "identifier": [{"system": "http://example.org/fhir/document-ids", "value": "mado-1"}],
    "status": "current",
    "type": {"coding": [{"system": "http://loinc.org", "code": "18748-4"}]},
    "date": "2022-08-22T08:31:17.000+02:00",
    "content": [
        {
            "attachment": {
                "contentType": "application/dicom",
                "url": "urn:uuid:1",
                "creation": "2026-06-19T17:00:57+02:00",
            },
            "format": {
                "system": "http://dicom.nema.org/resources/CodeSystem/DICOM_UIDs",
                "code": "1.2.840.10008.5.1.4.1.1.88.59",
            },
        }
    ],
    "context": {
        "period": {"start": "2022-08-22T08:31:17+02:00"},
        "related": [
            {
                "type": "ImagingStudy",
                "identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.250.1"},
            },
            {
                "identifier": {
                    "type": {
                        "coding": [
                            {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
                        ]
                    },
                    "system": "http://example.org/fhir/ris-ids",
                    "value": "1731954284869428",
                }
            },
        ],
    },
}


def test_both_generations_of_what_others_write_are_read():
    entry = read_document_reference(KOS_LIKE, Told("", "symbol", lambda _: None))
    assert entry.entry_uuid == "symbol"
    assert entry.unique_id == "mado-1"
    assert [(code.code, code.scheme) for code in entry.event_codes] == [
        ("CT", "1.2.840.10008.2.16.4"),
        ("774007", "2.16.840.1.113883.6.96"),
    ]
    assert entry.format_code == Code("1.2.840.10008.5.1.4.1.1.88.59", "1.2.840.10008.2.6.1")
    assert (entry.creation_time, entry.service_start_time) == ("20260619150057", "20220822063117")
    assert entry.references == (
        "1.2.250.1^^^^urn:ihe:iti:xds:2016:studyInstanceUID",
        "1731954284869428^^^&http://example.org/fhir/ris-ids&URI^urn:ihe:iti:xds:2013:accession",
    )
    again = show(entry)
    assert again["masterIdentifier"] == KOS_LIKE["masterIdentifier"]
    assert again["context"]["related"][1]["identifier"]["system"] == "http://example.org/fhir/ris-ids"
    assert [each["url"] for each in again["extension"]] == [MODALITY, BODY_SITE]


def test_published_samples_are_read():
    for path in SAMPLES.glob("*docref.json"):
        entry = read_document_reference(json.loads(path.read_text()), Told("", "symbol", lambda _: None))
        assert (
            "1.2.250.1.59.40211.22756022.2.1.101^^^^urn:ihe:iti:xds:2016:studyInstanceUID" in entry.references
        )
        assert entry.event_codes[0] == Code("CT", "1.2.840.10008.2.16.4")
        assert entry.creation_time == "20260619150057"


@pytest.mark.parametrize(
    "text",
    [
        "Ck1VqNd45QIvq3AZd8XYQLvEhtA=",
        "MGE0ZDU1YThkNzc4ZTUwMjJmYWI3MDE5NzdjNWQ4NDBiYmM0ODZkMA==",
        "0A4D55a8d778e5022fab701977c5d840bbc486d0",
    ],
)
def test_a_hash_is_read_in_every_form_that_is_sent(text):
    assert read_hash(text, "") == "0a4d55a8d778e5022fab701977c5d840bbc486d0"


@pytest.mark.parametrize("text", ["Ck1V", "!", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4eg=="])
def test_what_is_no_hash_is_said(text):
    with pytest.raises(UnheldContent):
        read_hash(text, "DocumentReference.content[0].attachment.hash")


@pytest.mark.parametrize(
    ("dtm", "text", "back"),
    [
        ("2025", "2025", "2025"),
        ("202503", "2025-03", "202503"),
        ("20250314", "2025-03-14", "20250314"),
        ("2025031410", "2025-03-14T10:00:00Z", "20250314100000"),
        ("20250314101500", "2025-03-14T10:15:00Z", "20250314101500"),
        ("", "", None),
        ("20251399", "", None),
    ],
)
def test_times_keep_their_precision(dtm, text, back):
    assert date_time_of_dtm(dtm) == text
    if back is not None:
        assert dtm_of_date_time(text) == back
        assert start_of_dtm(dtm) < end_of_dtm(dtm)


def test_a_time_without_a_zone_is_local():
    assert dtm_of_date_time("2025-03-14T10:15:00") == "20250314091500"


@settings(max_examples=200, deadline=None)
@given(text=words)
def test_escapes_are_read_back(text):
    assert hl7_texts.unescape(hl7_texts.escape(text)) == text


def test_a_reference_by_address_is_kept():
    assert (
        cxi_of_related({"reference": "ImagingStudy/1.2.3"})
        == "1.2.3^^^^urn:ihe:iti:xds:2016:studyInstanceUID"
    )
    other = {"reference": "Procedure/9"}
    assert related_of_cxi(cxi_of_related(other)) == other
    assert cxi_of_related({"display": "a study"}) == ""
