"""JSON and XML: what is chosen, what is read and refused, and that both say the same to other people's code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.fhir.errors import MalformedResource, UnsupportedFormat
from registry.fhir.formats import check_content_type, choose_format, read_resource
from registry.fhir.structure import check_structure
from registry.fhir.xml_format import resource_of_xml, xml_of_resource
from registry.wire.media_types import NotAcceptable
from tests.registry.fhir.oracle import check_resource, read_xml, write_xml

CONSENT = {
    "resourceType": "Consent",
    "id": "consent-1",
    "meta": {"versionId": "1", "lastUpdated": "2026-11-24T10:00:00.000+01:00"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Åre & <Öster>\u2028", "active": True}],
    "status": "active",
    "scope": {
        "coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
        ]
    },
    "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
    "patient": {"reference": "Patient/1"},
    "dateTime": "2026-11-24T09:00:00+01:00",
    "policy": [{"uri": "urn:x"}],
    "provision": {
        "type": "deny",
        "period": {"start": "2026-11-24"},
        "provision": [{"id": "lift", "type": "permit", "period": {"end": "2026-11-30"}}],
    },
}
BLOCK = {  # without what fhir.resources (8.3) writes in its own way: ids of elements, milliseconds
    key: value for key, value in CONSENT.items() if key not in ("meta", "provision")
} | {"provision": {"type": "deny", "dataPeriod": {"start": "2026-11-24"}}}
PATIENT = {
    "resourceType": "Patient",
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p class="a">1 &lt; 2</p></div>',
    },
    "extension": [{"url": "urn:weight", "valueDecimal": 71.5}],
    "active": False,
    "name": [
        {"given": ["Ada", None], "_given": [None, {"extension": [{"url": "urn:a", "valueString": "x"}]}]}
    ],
    "_birthDate": {"extension": [{"url": "urn:unknown", "valueCode": "masked"}]},
    "multipleBirthInteger": 2,
}


@pytest.mark.parametrize("resource", [CONSENT, PATIENT], ids=lambda r: r["resourceType"])
def test_xml_is_read_back_as_it_was(resource):
    check_structure(resource)
    assert resource_of_xml(xml_of_resource(resource)) == resource


def test_xml_is_what_another_library_reads_and_writes():
    check_resource(CONSENT)
    theirs = read_xml(xml_of_resource(CONSENT))
    assert theirs["provision"]["provision"][0]["period"] == {"end": "2026-11-30"}
    assert theirs["contained"] == CONSENT["contained"]
    assert resource_of_xml(write_xml(BLOCK)) == BLOCK


@given(st.text(min_size=1, max_size=40))
def test_any_text_stays_what_it_is_or_becomes_a_mark(text):
    resource = {"resourceType": "Organization", "name": text}
    read = resource_of_xml(xml_of_resource(resource))["name"]
    assert len(read) == len(text)
    assert all(one == other or one == "\ufffd" for one, other in zip(read, text, strict=True))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"/>', "DOCTYPE"),
        (b'<Patient xmlns="http://hl7.org/fhir"><active value="true"></Patient>', "not well formed"),
        (b"<Patient/>", "namespace"),
        (b'<Nonsense xmlns="http://hl7.org/fhir"/>', "not the name of a resource"),
        (b'<Patient xmlns="http://hl7.org/fhir"><foo value="1"/></Patient>', "no element 'foo'"),
        (b'<Patient xmlns="http://hl7.org/fhir"><active value="yes"/></Patient>', "no boolean"),
        (b'<Patient xmlns="http://hl7.org/fhir"><active x="1" value="true"/></Patient>', "no attribute"),
        (
            b'<Patient xmlns="http://hl7.org/fhir"><active value="true"/><active value="true"/></Patient>',
            "twice",
        ),
        (b'<Patient xmlns="http://hl7.org/fhir">Ada</Patient>', "holds text"),
        (
            b'<Patient xmlns="http://hl7.org/fhir"><text><div><script/></div></text></Patient>',
            "no element 'div'",
        ),
        (b"<Patient xmlns='http://hl7.org/fhir'>" + b"<extension>" * 200, "deeper"),
    ],
)
def test_xml_that_is_none_is_refused_with_the_place(body, said):
    with pytest.raises(MalformedResource, match=said):
        resource_of_xml(body)


@pytest.mark.parametrize(
    ("resource", "expression"),
    [
        ([], ""),
        ({"resourceType": "Nonsense"}, ""),
        ({"resourceType": "Patient"}, "Patient"),
        ({"resourceType": "Patient", "foo": 1}, "Patient.foo"),
        ({"resourceType": "Patient", "active": "true"}, "Patient.active"),
        ({"resourceType": "Patient", "active": None}, "Patient.active"),
        ({"resourceType": "Patient", "name": {"family": "A"}}, "Patient.name"),
        ({"resourceType": "Patient", "name": []}, "Patient.name"),
        ({"resourceType": "Patient", "name": [{"family": ""}]}, "Patient.name[0].family"),
        ({"resourceType": "Patient", "name": [{"family": {"x": 1}}]}, "Patient.name[0].family"),
        ({"resourceType": "Patient", "name": ["Ada"]}, "Patient.name[0]"),
        ({"resourceType": "Patient", "multipleBirthInteger": True}, "Patient.multipleBirthInteger"),
        ({"resourceType": "Patient", "contained": [{"resourceType": "Identifier"}]}, "Patient.contained[0]"),
    ],
)
def test_what_a_type_does_not_know_is_named(resource, expression):
    with pytest.raises(MalformedResource) as refused:
        check_structure(resource)
    assert refused.value.expression == expression


@pytest.mark.parametrize(
    ("parameter", "accept", "expected"),
    [
        (None, None, "application/fhir+json"),
        (None, "*/*", "application/fhir+json"),
        (None, "application/fhir+xml", "application/fhir+xml"),
        (None, "application/fhir+json;q=0.5, application/fhir+xml", "application/fhir+xml"),
        (None, "application/json", "application/json"),
        (None, "text/xml", "text/xml"),
        (None, "application/fhir+json; fhirVersion=4.0", "application/fhir+json"),
        ("xml", "application/fhir+json", "application/fhir+xml"),
        ("json", "application/fhir+xml", "application/fhir+json"),
        ("application/fhir xml", None, "application/fhir+xml"),
        ("text/xml", None, "text/xml"),
    ],
)
def test_the_format_is_that_of_the_parameter_then_of_the_header(parameter, accept, expected):
    assert choose_format(parameter, accept).media_type == expected


@pytest.mark.parametrize(
    ("parameter", "accept"),
    [
        ("turtle", None),
        (None, "text/turtle"),
        ("ttl", "*/*"),
        (None, "application/fhir+json; fhirVersion=5.0"),
    ],
)
def test_other_formats_and_versions_are_not_acceptable(parameter, accept):
    with pytest.raises(NotAcceptable):
        choose_format(parameter, accept)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/fhir+json; charset=latin-1",
        "application/fhir+json; fhirVersion=3.0",
        "multipart/form-data",
    ],
)
def test_bodies_of_other_types_are_not_read(content_type):
    with pytest.raises(UnsupportedFormat):
        check_content_type(content_type)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"{", "application/fhir+json", "JSON cannot be read"),
        (
            b'{"resourceType": "Patient", "active": true}',
            "application/fhir+json",
            "this address takes Consent",
        ),
        (b'{"resourceType": "Consent", "status": "\xff"}', "application/fhir+json", "JSON cannot be read"),
        (b"[" * 100_000, "application/fhir+json", "JSON cannot be read"),
    ],
)
def test_a_body_must_be_the_resource_of_the_address(body, kind, said):
    with pytest.raises(MalformedResource, match=said):
        read_resource(body, kind, "Consent")
